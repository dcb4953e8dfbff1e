"""How many cores there are; knows no torch."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may run on (fewer than the machine's when it is pinned)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""How many cores and how much memory there are for this process; knows no torch."""

from __future__ import annotations

import os
from pathlib import Path

CONTROL_GROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that this process may run on (fewer than the machine's when it is pinned)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Bytes of main memory: the machine's, or fewer where a control group, as containers and schedulers set up, allows fewer; 0 where the
    system doesn't say."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return min([there, *limits_of_groups(CONTROL_GROUPS, OWN_GROUPS)])


def limits_of_groups(mounted: Path, own: Path) -> list[int]:
    """Bytes that the control groups allow which this process is in, those around its own among them (Linux, cgroups of version 1 and 2)."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers not in ("", "memory"):
            continue
        root, name = (mounted / "memory", "memory.limit_in_bytes") if controllers else (mounted, "memory.max")
        folder = root / path.lstrip("/")
        # In a container the path may be that outside of it, while its own group is mounted as the root.
        for each in {root, folder, *(one for one in folder.parents if one.is_relative_to(root))}:
            try:
                said = (each / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            found += [int(said)] if said.isdigit() else []  # or "max"
    return found

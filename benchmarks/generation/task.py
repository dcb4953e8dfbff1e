"""What every contender of the generation benchmark does, whatever it computes with. Imports the standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.throughput.protocol import answer, serve, shape

TASK = shape()
MODEL = Path(TASK.get("model", "."))
PROMPTS: list[list[int]] = TASK.get("prompts", [])
NEW_TOKENS = int(TASK.get("new_tokens", 0))
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def config() -> dict[str, Any]:
    """The directory's config.json."""
    return dict(json.loads((MODEL / "config.json").read_text(encoding="utf-8")))


def generate_in_turn(generate: Callable[[], Sequence[Sequence[int]]]) -> None:
    """Tell the new tokens of each prompt once, so that they can be compared; then generate whenever asked."""
    answer({"ids": [list(map(int, row)) for row in generate()]})
    serve(generate)

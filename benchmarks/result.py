"""A benchmark's result: the ratios of a table, the table as it is shown, and the JSON file that is kept.

A table holds `base` (whom the ratios are to), `rows` and `left_out` (who could not be measured, and why).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import command_line
from groundup.device import describe_machine


def half(values: Sequence[float], digits: int = 3) -> list[float]:
    """The middle half of the rounds: a quarter lies below, a quarter above."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return [round(ordered[quarter], digits), round(ordered[-1 - quarter], digits)]


def ratios(base: Sequence[float], own: Sequence[float]) -> tuple[float, list[float]]:
    """How many times as fast as the base: the median of the ratios within a round, and the middle half of them."""
    each = [theirs / mine for theirs, mine in zip(base, own, strict=True)]
    return round(statistics.median(each), 3), half(each)


def compared(base: Sequence[float], own: Sequence[float], key: str) -> dict[str, Any]:
    """A row's part that every table has: the ratio to the base, its spread, and the seconds of each round."""
    times, half_of_rounds = ratios(base, own)
    return {key: times, "half_of_rounds": half_of_rounds, "seconds_in_rounds": [round(value, 6) for value in own]}


def machine(busy_before: float | None) -> dict[str, Any]:
    return {**describe_machine(torch.device("cpu")), "busy_cores_before": busy_before}


def busy_cores(seconds: float = 1.0) -> float | None:
    """How many cores others keep at work while we wait this long; None where the system doesn't say (it is Linux's /proc)."""
    before = _busy_ticks()
    time.sleep(seconds)
    after = _busy_ticks()
    if before is None or after is None:
        return None
    return round((after - before) / os.sysconf("SC_CLK_TCK") / seconds, 2)


def _busy_ticks() -> int | None:
    try:
        line = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _wait, *interrupts = map(int, line.split()[1:])
    return user + nice + system + sum(interrupts[:3])


def wait_until_quiet(most: float = 0.2, seconds: float = 60.0) -> float | None:
    """Wait until others keep fewer than so many cores at work, but not for ever; how many it is then. Says so if it isn't quiet."""
    end = time.monotonic() + seconds
    while (busy := busy_cores()) is not None and busy > most and time.monotonic() < end:
        time.sleep(2)
    if busy is not None and busy > most:
        print(
            f"warning: other programs keep {busy:.1f} cores at work: these figures will not be those of a quiet machine"
        )
    return busy


def output_file(name: str) -> Path:
    """An argument that names the file to write; its folder is made now, before anything is measured."""
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path.parent} can't be made: {error.strerror}") from error
    return path


def at_least_one(number: str) -> int:
    """An argument that is a whole number of at least 1."""
    if not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{number!r} is not a whole number of at least 1")
    return int(number)


def text_file(name: str) -> Path:
    """An argument that names a text that is there and not empty."""
    path = Path(name)
    if not path.is_file() or path.stat().st_size == 0:
        raise argparse.ArgumentTypeError(f"{path} is no file with text in it")
    return path


def nanogpt_checkout(name: str) -> Path:
    """An argument that names a clone of nanoGPT."""
    path = Path(name)
    if not (path / "model.py").is_file():
        raise argparse.ArgumentTypeError(f"{path} holds no model.py: give a clone of karpathy/nanoGPT")
    return path


def show(
    title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], left_out: Mapping[str, str]
) -> None:
    """Print a table: `columns` gives the heading of each key of a row."""
    table = Table(*columns.values(), title=title)
    for row in rows:
        table.add_row(*(_text(row.get(key)) for key in columns))
    for name, why in left_out.items():
        table.add_row(name, f"left out: {why}")
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, list):
        return "-".join(_text(each) for each in value)
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "" if value is None else str(value)
    )


def write(output: Path | None, module: str, busy_before: float | None, facts: Mapping[str, Any]) -> None:
    """Keep the result with the command that gave it and the machine it ran on."""
    if output is None:
        return
    result = {"command": command_line(module), "machine": machine(busy_before), **facts}
    output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

"""A benchmark's result: the ratios of a table, the table as it is shown, and the JSON file that is kept.

A table holds `base` (whom the ratios are to), `rows` and `left_out` (who could not be measured, and why).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.command import command_line
from rich.console import Console
from rich.table import Table

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


def machine(load_before: float) -> dict[str, Any]:
    return {**describe_machine(torch.device("cpu")), "load_before": round(load_before, 2)}


def load() -> float:
    """Processes at work over the last minute."""
    return os.getloadavg()[0]


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


def write(output: Path | None, module: str, load_before: float, facts: Mapping[str, Any]) -> None:
    """Keep the result with the command that gave it and the machine it ran on."""
    if output is None:
        return
    result = {"command": command_line(module), "machine": machine(load_before), **facts}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

"""`groundup runs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs are.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the runs in a folder, with their state and best validation loss.

    Example:

        groundup runs
    """
    from groundup.run.listing import list_runs

    found = list_runs(folder)
    if as_json:
        import json

        print(json.dumps(found))
        return
    if not found:
        print(f"no runs in {folder}; begin one with:  groundup train shakespeare")
        return
    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.report.pages import duration, size

    table = Table(box=None)
    numbers = ("step", "best loss", "time", "memory")
    for column in ("run", "state", "step", "best loss", "time", "memory", "begun"):
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for run in found:
        best = "" if run["best_loss"] is None else f"{run['best_loss']:.4f}"
        time, memory = (_kept(run["plan"], name, shown) for name, shown in (("seconds", duration), ("bytes", size)))
        table.add_row(run["run"], run["state"], f"{run['step']}/{run['max_steps']}", best, time, memory, run["created"])
    print_table(table)
    if any(run["plan"] for run in found):
        print("time and memory: what it took, of what it was expected to take")


def _kept(plan: dict[str, Any], name: str, shown: Callable[[float | None], str]) -> str:
    """What a run took of what it promised to take; empty where neither is known."""
    sides = [plan.get(side, {}).get(name) for side in ("outcome", "promise")]
    return f"{shown(sides[0])} of {shown(sides[1])}" if any(side is not None for side in sides) else ""

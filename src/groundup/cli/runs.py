"""`groundup runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

    table = Table(box=None)
    for column in ("run", "state", "step", "best loss", "begun"):
        table.add_column(column, justify="right" if column in ("step", "best loss") else "left", overflow="fold")
    for run in found:
        best = "" if run["best_loss"] is None else f"{run['best_loss']:.4f}"
        table.add_row(run["run"], run["state"], f"{run['step']}/{run['max_steps']}", best, run["created"])
    print_table(table)

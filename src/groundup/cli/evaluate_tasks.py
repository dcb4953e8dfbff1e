"""`groundup evaluate --task`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from groundup.cli.loading import loading
from groundup.errors import SettingError
from groundup.evaluation.tasks.settings import read_task


def print_tasks(model: str, files: Sequence[Path], as_json: bool) -> None:
    """Print a table with a row for each figure of each task, or one JSON object."""
    tasks = [read_task(file) for file in files]
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise SettingError("--task", name, "two files have this name, and figures go by it: rename one")
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    with loading():
        from groundup.recipe.evaluate_tasks import evaluate_tasks

    results = evaluate_tasks(model, tasks, say=lambda text: print(f"groundup: {text}", file=sys.stderr))
    if as_json:
        import json

        from groundup.run.files import without_infinities

        plain = {
            result.task: {
                "kind": result.kind,
                **{name: interval.as_plain() for name, interval in result.figures.items()},
            }
            for result in results
        }
        print(json.dumps(without_infinities(plain)))
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table(box=None)
    for column in ("task", "figure", "value", "95 % interval", "items"):
        table.add_column(column, justify="left" if column in ("task", "figure") else "right")
    for result in results:
        for name, figure in result.figures.items():
            interval = f"{figure.low:,.4f} to {figure.high:,.4f}"
            table.add_row(result.task, name, f"{figure.value:,.4f}", interval, f"{figure.n:,}")
    print_table(table)

"""`groundup evaluate --task`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from groundup.cli.evaluate_tables import print_comparison, print_json
from groundup.cli.loading import loading
from groundup.cli.under_way import under_way
from groundup.errors import SettingError
from groundup.evaluation.tasks.settings import read_task


def print_tasks(model: str, files: Sequence[Path], as_json: bool, against: str | None = None) -> None:
    """Print a table with a row for each figure of each task, or one JSON object; of two models, both figures and their difference."""
    tasks = [read_task(file) for file in files]
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise SettingError("--task", name, "two files have this name, and figures go by it: rename one")
    from groundup.language_model.locate import find_model

    for one in filter(None, (model, against)):
        find_model(one)  # a wrong path is answered before anything heavy is loaded
    with loading():
        from groundup.recipe.evaluate_tasks import compare_on_tasks, evaluate_tasks

    if against is not None:
        with under_way() as begin:
            compared = compare_on_tasks(model, against, tasks, _say, begin)
        if as_json:
            print_json(compared)
            return
        for figures in compared.values():
            print_comparison(figures, model, against, as_json=False)
        return
    with under_way() as begin:
        results = evaluate_tasks(model, tasks, _say, begin)
    if as_json:
        of_figures = {result.task: {name: one.as_plain() for name, one in result.figures.items()} for result in results}
        print_json({result.task: {"kind": result.kind, **of_figures[result.task]} for result in results})
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


def _say(text: str) -> None:
    print(f"groundup: {text}", file=sys.stderr)

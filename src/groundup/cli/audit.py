"""`groundup audit`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.cli.under_way import under_way
from groundup.recipe.audit_settings import AUDIT_NAMES, read_audit_names, read_audit_settings

if TYPE_CHECKING:
    from rich.table import Table

    from groundup.evaluation.audit_result import AuditResult, Figure


def audit(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as memorization.rows=500.", show_default=False),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help=f"Which audits, separated by commas: {', '.join(AUDIT_NAMES)}.", show_default="all that can be made"
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="A file of settings.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look for what a model should not have learned, and say what each number does not show.

    What is found of a run's model is kept in the run, audits/NAME.json.

    Examples:

        groundup audit runs/shakespeare

        groundup audit runs/shakespeare --only extraction,membership --json

        groundup audit runs/shakespeare --only extraction memorization.rows=500
    """
    names = () if only is None else read_audit_names(only)
    wanted = read_audit_settings(settings, overrides or ())
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    with loading():
        from groundup.recipe.audit import audit as audit_model

    with under_way(lines=True) as begin:
        results = audit_model(model, names, wanted, lambda text: print(f"groundup: {text}", file=sys.stderr), begin)
    if as_json:
        import json

        from groundup.run.files import without_infinities

        print(json.dumps({name: without_infinities(result.as_plain()) for name, result in results.items()}))
        return
    for name, result in results.items():
        _print(name, result)


def _print(name: str, result: AuditResult) -> None:
    from rich.table import Table

    from groundup.cli.tables import print_table

    print(name.replace("_", " "))
    table = Table(box=None, show_header=False)
    for figure, value in result.figures.items():
        table.add_row(figure.replace("_", " "), shown(value))
    print_table(table)
    for title, rows in result.tables.items():
        if not rows:  # of nothing found, the figures tell
            continue
        print(f"\n{title.replace('_', ' ')}")
        print_table(_table(rows))
    print(f"\nThis cannot say: {result.cannot_say}\n")


def _table(rows: Sequence[Mapping[str, Figure]]) -> Table:
    from rich.table import Table

    table = Table(*(column.replace("_", " ") for column in rows[0]), box=None)
    for row in rows:
        table.add_row(*map(shown, row.values()))
    return table


def shown(figure: Figure) -> str:
    """A figure for a person: a number with its 95 % interval and how many it is of."""
    from groundup.evaluation.intervals import Interval

    if isinstance(figure, Interval):
        if figure.low != figure.low:  # NaN
            return f"{figure.value:.4f} (no interval), n = {figure.n:,}"
        return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}], n = {figure.n:,}"
    if figure is None:
        return "–"
    if isinstance(figure, float):
        return f"{figure:,.4f}"
    return f"{figure:,}" if isinstance(figure, int) and not isinstance(figure, bool) else str(figure)

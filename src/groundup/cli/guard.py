"""`groundup guard …`: measure a guard, and train its classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from groundup.serving.guard.measure import Score

app = typer.Typer(
    name="guard", help="Measure the checks of `serve --guard`, and train their classifier.", no_args_is_help=True
)

HOOK_HELP = "A function of yours that checks, too: package.module:function. May be given several times."


@app.command(no_args_is_help=True)
def measure(
    guard: Annotated[Path, typer.Argument(metavar="GUARD.toml", help="The file that `serve --guard` is given.")],
    data: Annotated[
        Path,
        typer.Option(help="A file of rows with text and label: 1 for what is to be found, 0 for what is not."),
    ],
    side: Annotated[
        Literal["input", "output"], typer.Option(help="Which side's checks: of what goes in, or of what comes out.")
    ] = "output",
    guard_hook: Annotated[list[str] | None, typer.Option(help=HOOK_HELP, show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print precision and recall of a guard's checks on texts that its classifier was not trained on.

    Example:

        groundup guard measure guard.toml --data held-out.jsonl
    """
    from groundup.serving.guard.guard import load_guard
    from groundup.serving.guard.labelled import read_labelled
    from groundup.serving.guard.measure import measure as measure_guard

    scores = measure_guard(load_guard(guard, guard_hook or ()), read_labelled(data), side)
    if as_json:
        import json

        print(json.dumps({name: score.figures() for name, score in scores.items()}))
    else:
        _print(scores)


@app.command(no_args_is_help=True)
def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A file of rows with text and label: 1 for toxic, 0 for not.")
    ],
    output: Annotated[Path, typer.Option(help="The file to write, which must not be there yet: a .safetensors.")],
    seed: Annotated[int, typer.Option(help="Of the order in which rows are read.", min=0)] = 0,
) -> None:
    """Train the classifier of the check `toxicity`: logistic regression over words and pieces of words.

    Example:

        groundup guard train labelled.jsonl --output toxicity.safetensors
    """
    from groundup.errors import DataError
    from groundup.serving.guard.classifier import train_classifier
    from groundup.serving.guard.labelled import read_labelled

    if output.exists():
        raise DataError(f"{output} is there already: name a new file with --output")
    if not output.absolute().parent.is_dir():
        raise DataError(f"{output}: there is no folder {output.parent}; make it first, or name another --output")
    rows = read_labelled(data)
    train_classifier([row.text for row in rows], [row.label for row in rows], seed).save(output)
    positive = sum(row.label for row in rows)
    print(f"{len(rows):,} rows read, {positive:,} of them with label 1: {output}")


def _print(scores: dict[str, Score]) -> None:
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table("check", "found", "precision", "recall", "false alarms", box=None)
    for name, score in scores.items():
        table.add_row(
            name,
            f"{score.found_rightly + score.found_wrongly:,}",
            *(_shown(score.figures(), figure) for figure in ("precision", "recall", "false_alarms")),
        )
    print_table(table)
    score = scores["any"]
    print(
        f"{score.found_rightly + score.missed:,} texts with label 1, {score.found_wrongly + score.left_rightly:,} with label 0; "
        "in brackets, 95 % intervals (Wilson)"
    )


def _shown(figures: dict[str, float | int | list[float] | None], name: str) -> str:
    value, ends = figures[name], figures[f"{name}_interval"]
    if not isinstance(value, float) or not isinstance(ends, list):
        return "–"
    return f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"

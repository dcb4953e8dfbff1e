"""`groundup evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.errors import SettingError
from groundup.recipe.metrics import DEFAULT_METRICS, read_metric_names


def evaluate(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    data: Annotated[
        str | None,
        typer.Option(
            help="A text file, a folder or a catalogue name; a run's own validation text if not given.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Which figures, separated by commas; ngram_bits_per_byte is there, too.")
    ] = ",".join(DEFAULT_METRICS),
    window: Annotated[
        int | None,
        typer.Option(
            help="Tokens of a window; as many as the run's rows have, or as the model's context holds, if not given.",
            min=1,
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="language: measure each language of a run with language tags.", show_default=False),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="With --by language, how many texts to write in each.", min=1, show_default="50")
    ] = None,
    task: Annotated[
        list[Path] | None,
        typer.Option(help="A task's TOML file (docs/tasks.md); may be given several times.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how well a model predicts a text: loss, perplexity, bits per byte.

    ngram_bits_per_byte is what an n-gram model (order 5, Kneser-Ney smoothing), counted on the run's training text, gives to
    the same tokens: what the run's model has to beat.

    Examples:

        groundup evaluate runs/shakespeare

        groundup evaluate runs/shakespeare/model --data ./my-texts --json

        groundup evaluate runs/shakespeare --metrics bits_per_byte,ngram_bits_per_byte

        groundup evaluate runs/multilingual --by language

        groundup evaluate runs/shakespeare --task hellaswag.toml
    """
    if task:
        for name, value, default in (("--data", data, None), ("--by", by, None), ("--window", window, None)):
            if value != default:
                raise SettingError(name, value, "a task says itself what is asked; leave it out with --task")
        from groundup.cli.evaluate_tasks import print_tasks

        print_tasks(model, task, as_json)
        return
    if by is not None:
        from groundup.cli.evaluate_languages import print_languages

        print_languages(model, by, data, metrics, samples, as_json)
        return
    if samples is not None:
        raise SettingError("--samples", samples, "texts are written with --by language only; leave it out")
    names = read_metric_names(metrics)
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    if data is not None:
        from groundup.text.settings import DataSettings
        from groundup.text.sources import check_sources

        check_sources(DataSettings(source=data))
    with loading():
        from groundup.recipe.evaluate import evaluate as evaluate_model

    figures = evaluate_model(
        model,
        data=data,
        metrics=names,
        say=lambda text: print(f"groundup: {text}", file=sys.stderr),
        window=window or 0,
    )
    _print(figures, as_json)


def _print(figures: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        import json

        from groundup.run.files import without_infinities

        print(json.dumps(without_infinities(figures)))
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table(box=None, show_header=False)
    for name, value in figures.items():
        shown = (
            f"{value:,.4f}"
            if isinstance(value, float)
            else f"{value:,}"
            if isinstance(value, int)
            else "–"
            if value is None
            else str(value)
        )
        table.add_row(name.replace("_", " "), shown)
    print_table(table)

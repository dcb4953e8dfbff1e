"""`groundup evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from groundup.cli.evaluate_languages import print_languages
from groundup.cli.evaluate_options import require_one_way
from groundup.cli.evaluate_tables import print_comparison, print_figures
from groundup.cli.evaluate_tasks import print_tasks
from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.cli.under_way import under_way
from groundup.errors import SettingError
from groundup.recipe.metrics import DEFAULT_METRICS, read_metric_names

Model = Annotated[str | None, typer.Argument(help=MODEL_HELP + " Not with --predictions.", show_default=False)]
Data = Annotated[
    list[str] | None,
    typer.Option(
        help="A text file, a folder or a catalogue name, or several; a run's own validation text if not given.",
        show_default=False,
    ),
]
Metrics = Annotated[str, typer.Option(help="Which figures, separated by commas; ngram_bits_per_byte is there, too.")]
Window = Annotated[
    int | None,
    typer.Option(
        help="Tokens of a window; as many as the run's rows have, or as the model's context holds, if not given.",
        min=1,
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(help="source, language or length: the figures of each group of documents, too.", show_default=False),
]
Samples = Annotated[
    int | None,
    typer.Option(
        help="With --by language and a run with language tags, how many texts to write in each.",
        min=1,
        show_default="50",
    ),
]
References = Annotated[
    Path | None,
    typer.Option(
        help="Rows of prompts and references (jsonl): write to each prompt, and hold what is written against its references.",
        show_default=False,
    ),
]
Predictions = Annotated[
    Path | None,
    typer.Option(help="With --references, what was written before, in place of a model's.", show_default=False),
]
NewTokens = Annotated[
    int | None, typer.Option(help="With --references, the most tokens to write.", min=1, show_default="128")
]
Against = Annotated[
    str | None,
    typer.Option(help="Another model: compare the two by a paired test.", metavar="MODEL", show_default=False),
]
Tasks = Annotated[
    list[Path] | None,
    typer.Option(help="A task's TOML file (docs/tasks.md); may be given several times.", show_default=False),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
USUAL_METRICS = ",".join(DEFAULT_METRICS)


def evaluate(
    model: Model = None,
    data: Data = None,
    metrics: Metrics = USUAL_METRICS,
    window: Window = None,
    by: By = None,
    samples: Samples = None,
    references: References = None,
    predictions: Predictions = None,
    max_new_tokens: NewTokens = None,
    against: Against = None,
    task: Tasks = None,
    as_json: JSON = False,
) -> None:
    """Measure a model: how well it predicts a text, or what it writes. Every figure has an interval of 95 %.

    Of a text: loss, perplexity, bits per byte, accuracy of the likeliest next token, and calibration error (how far the model's
    confidence is from its accuracy). Of what is written, with --references: BLEU, chrF, ROUGE, exact match, distinct-n, repetition.
    Of a run's model, the figures are kept in RUN/evaluations.

    ngram_bits_per_byte is what an n-gram model (order 5, Kneser-Ney smoothing), counted on the run's training text, gives to
    the same tokens: what the run's model has to beat.

    Examples:

        groundup evaluate runs/shakespeare

        groundup evaluate runs/shakespeare/model --data ./my-texts --by length --json

        groundup evaluate runs/shakespeare --metrics bits_per_byte,ngram_bits_per_byte

        groundup evaluate runs/first --against runs/second

        groundup evaluate runs/instruct --references questions.jsonl

        groundup evaluate --predictions written.jsonl --references questions.jsonl

        groundup evaluate runs/multilingual --by language

        groundup evaluate runs/shakespeare --task hellaswag.toml

        groundup evaluate runs/first --against runs/second --task hellaswag.toml
    """
    asked = {
        "--task": task,
        "--predictions": predictions,
        "--against": against,
        "--references": references,
        "--max-new-tokens": max_new_tokens,
        "--data": data,
        "--metrics": None if metrics == USUAL_METRICS else metrics,
        "--window": window,
        "--by": by,
        "--samples": samples,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    require_one_way(model, given)
    names = read_metric_names(metrics)
    new_tokens = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
    if task is not None and model is not None:
        print_tasks(model, task, as_json, against)
        return
    _require_found(filter(None, (model, against)), data)
    if predictions is not None or (references is not None and against is None):
        _print_written(model, references, predictions, as_json, new_tokens)
        return
    assert model is not None, "require_one_way has seen to it"
    if against is not None:
        _print_against(model, against, data, window, references, as_json, new_tokens)
    elif by == "language" and data is None and _has_tags(model):
        _require_no_figures(given)
        print_languages(model, samples, as_json)
    elif samples is not None:
        raise SettingError("--samples", samples, "the run has no language tags to write a text by; leave it out")
    else:
        _print_text(model, data, names, window, by, as_json)


def _print_written(
    model: str | None, references: Path | None, predictions: Path | None, as_json: bool, new_tokens: dict[str, int]
) -> None:
    """What a model writes, or wrote before, beside references."""
    with loading():
        from groundup.recipe.evaluate_generations import evaluate_generations
    assert references is not None, "require_one_way has seen to it"
    with under_way() as begin:
        found = evaluate_generations(model, references, predictions, say=_say, begin=begin, **new_tokens)
    print_figures(found, as_json)


def _print_against(
    model: str,
    against: str,
    data: list[str] | None,
    window: int | None,
    references: Path | None,
    as_json: bool,
    new_tokens: dict[str, int],
) -> None:
    """Two models, by a paired test."""
    with loading():
        from groundup.recipe.evaluate_against import evaluate_against
    with under_way() as begin:
        found = evaluate_against(model, against, data, window or 0, references, say=_say, begin=begin, **new_tokens)
    print_comparison(found, model, against, as_json)


def _print_text(
    model: str, data: list[str] | None, names: tuple[str, ...], window: int | None, by: str | None, as_json: bool
) -> None:
    """How well a model predicts a text."""
    with loading():
        from groundup.recipe.evaluate import evaluate as evaluate_model
    with under_way() as begin:
        found = evaluate_model(model, data, names, _say, window or 0, by, begin)
    print_figures(found, as_json)


def _require_no_figures(given: Mapping[str, object]) -> None:
    """Raise `SettingError` for figures that are asked for where languages have their own."""
    for name in ("--metrics", "--window"):
        if name in given:
            advice = "a run's languages have figures of their own; leave it out with --by"
            raise SettingError(name, given[name], advice)


def _require_found(models: Iterable[str], data: list[str] | None) -> None:
    """A wrong path is answered before anything heavy is loaded."""
    from groundup.language_model.locate import find_model

    for model in models:
        find_model(model)
    if data is not None:
        from groundup.text.bad_input import without_settings
        from groundup.text.settings import DataSettings
        from groundup.text.sources import check_sources

        with without_settings("--data"):
            check_sources(DataSettings(source=tuple(data)))


def _say(text: str) -> None:
    print(f"groundup: {text}", file=sys.stderr)


def _has_tags(model: str) -> bool:
    """Whether it is of a run that was trained with language tags."""
    from groundup.recipe.keep_evaluation import run_of
    from groundup.recipe.settings import load_recipe
    from groundup.run.directory import RECIPE_FILE

    run = run_of(Path(model))
    return run is not None and load_recipe(str(run / RECIPE_FILE)).data.language_tags

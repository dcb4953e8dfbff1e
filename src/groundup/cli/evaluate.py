"""`groundup evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from groundup.cli.evaluate_tables import print_comparison, print_figures
from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.errors import SettingError
from groundup.recipe.metrics import DEFAULT_METRICS, read_metric_names


def evaluate(
    model: Annotated[
        str | None, typer.Argument(help=MODEL_HELP + " Not with --predictions.", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A text file, a folder or a catalogue name, or several; a run's own validation text if not given.",
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
        typer.Option(
            help="source, language or length: the figures of each group of documents, too.", show_default=False
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="With --by language and a run with language tags, how many texts to write in each.",
            min=1,
            show_default="50",
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            help="Rows of prompts and references (jsonl): write to each prompt, and hold what is written against its references.",
            show_default=False,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="With --references, what was written before, in place of a model's.", show_default=False),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="With --references, the most tokens to write.", min=1, show_default="128")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Another model: compare the two by a paired test.", metavar="MODEL", show_default=False),
    ] = None,
    task: Annotated[
        list[Path] | None,
        typer.Option(help="A task's TOML file (docs/tasks.md); may be given several times.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
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
    """
    if task:
        _require_task_alone(
            model,
            {
                "--data": data,
                "--metrics": None if metrics == ",".join(DEFAULT_METRICS) else metrics,
                "--window": window,
                "--by": by,
                "--samples": samples,
                "--references": references,
                "--predictions": predictions,
                "--max-new-tokens": max_new_tokens,
                "--against": against,
            },
        )
        from groundup.cli.evaluate_tasks import print_tasks

        assert model is not None
        print_tasks(model, task, as_json)
        return
    _require_one_way(model, data, metrics, window, by, references, predictions, max_new_tokens, against)
    names, with_languages = read_metric_names(metrics), by == "language" and data is None
    if samples is not None and not with_languages:
        raise SettingError("--samples", samples, "texts are written with --by language only; leave it out")
    from groundup.language_model.locate import find_model

    for one in filter(None, (model, against)):
        find_model(one)  # a wrong path is answered before anything heavy is loaded
    if model is not None and by is not None and with_languages and _has_tags(model):
        from groundup.cli.evaluate_languages import print_languages

        print_languages(model, by, None, metrics, samples, as_json)
        return
    if samples is not None:
        raise SettingError("--samples", samples, "the run has no language tags to write a text by; leave it out")
    if data is not None:
        from groundup.text.settings import DataSettings
        from groundup.text.sources import check_sources

        check_sources(DataSettings(source=tuple(data)))
    new_tokens = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
    if against is not None:
        with loading():
            from groundup.recipe.evaluate_against import evaluate_against
        assert model is not None
        found = evaluate_against(model, against, data, window or 0, references, say=_say, **new_tokens)
        print_comparison(found, model, against, as_json)
    elif references is not None:
        with loading():
            from groundup.recipe.evaluate_generations import evaluate_generations
        print_figures(evaluate_generations(model, references, predictions, say=_say, **new_tokens), as_json)
    else:
        with loading():
            from groundup.recipe.evaluate import evaluate as evaluate_model
        assert model is not None
        print_figures(evaluate_model(model, data, names, _say, window or 0, by), as_json)


def _say(text: str) -> None:
    print(f"groundup: {text}", file=sys.stderr)


def _has_tags(model: str) -> bool:
    """Whether it is of a run that was trained with language tags."""
    from groundup.recipe.keep_evaluation import run_of
    from groundup.recipe.settings import load_recipe
    from groundup.run.directory import RECIPE_FILE

    run = run_of(Path(model))
    return run is not None and load_recipe(str(run / RECIPE_FILE)).data.language_tags


def _require_task_alone(model: str | None, others: Mapping[str, object]) -> None:
    """Raise `SettingError` for options that don't go with --task."""
    if model is None:
        raise SettingError("MODEL", "", "name a model: a run's folder, a Hugging Face directory, a .gguf file")
    for name, value in others.items():
        if value:
            shown = str(value) if isinstance(value, Path) else value
            raise SettingError(name, shown, "a task says itself what is asked; leave it out with --task")


def _require_one_way(
    model: str | None,
    data: list[str] | None,
    metrics: str,
    window: int | None,
    by: str | None,
    references: Path | None,
    predictions: Path | None,
    max_new_tokens: int | None,
    against: str | None,
) -> None:
    """Raise `SettingError` for options that don't go together."""
    if predictions is not None and references is None:
        raise SettingError("--predictions", str(predictions), "name what to hold them against with --references")
    if predictions is not None and (model or against):
        raise SettingError("--predictions", str(predictions), "these were written before, so leave out the model")
    if model is None and predictions is None:
        raise SettingError("MODEL", "", "name a model: a run's folder, a Hugging Face directory, a .gguf file")
    if max_new_tokens is not None and references is None:
        raise SettingError("--max-new-tokens", max_new_tokens, "texts are written with --references only; leave it out")
    if against is not None and by is not None:
        raise SettingError("--by", by, "two models are compared on the whole text; leave it out")
    if references is not None:
        of_texts = {"--data": data, "--window": window, "--by": by}
        given = next(((name, value) for name, value in of_texts.items() if value), None)
        if given is not None:
            raise SettingError(
                given[0], given[1], "with --references what is written is measured, not a text; leave it out"
            )
    if (references or against) and metrics != ",".join(DEFAULT_METRICS):
        raise SettingError("--metrics", metrics, "here all figures are given; leave it out")

"""`evaluate`: measure any model on any text, or a run's model on its own validation text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError, SettingError
from groundup.evaluation.ngram import NgramModel, train_ngram_model
from groundup.evaluation.predicted import cut
from groundup.evaluation.settings import EvaluationSettings
from groundup.evaluation.totals import intervals_of
from groundup.language_model import LanguageModel
from groundup.recipe.data import plain_training_ids, prepare_data
from groundup.recipe.evaluate_rows import evaluate_rows, trains_on_rows
from groundup.recipe.evaluated_text import (
    WAYS,
    By,
    EvaluatedText,
    group_documents,
    group_order,
    groups_of_rows,
    predict,
    predicted_bytes,
    read_text,
    rows_of,
    text_of_run,
)
from groundup.recipe.identity import require_same_data
from groundup.recipe.keep_evaluation import keep_evaluation, run_of
from groundup.recipe.metrics import DEFAULT_METRICS, NGRAM, read_metric_names
from groundup.recipe.settings import Recipe, load_recipe
from groundup.recipe.under_way import Begin, unseen
from groundup.recipe.under_way import by as by_model
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.tokens.prepare import PreparedData
from groundup.tokens.tokenizer import Tokenizer


def _warn(text: str) -> None:
    warnings.warn(text.removeprefix("warning: "), stacklevel=2)


def evaluate(
    model: LanguageModel | str | Path,
    data: str | Path | Sequence[str | Path] | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    say: Callable[[str], None] = _warn,
    window: int = 0,
    by: str | None = None,
    begin: Begin = unseen,
) -> dict[str, Any]:
    """The figures asked for, `intervals` of 95 % of each, and over what: tokens, bytes, window, data.

    `data`: a text file, a folder, a glob, or a catalogue name, or several; without it, a run's own validation text, or its held-out
    rows. Non-overlapping windows of `window` tokens (0: as many as the run's rows have, or, of no run, the model's context); each token
    but the text's first is predicted once. A model of a run with data.document_attention = "own" sees of a window its own document only.
    `by`: source, language or length gives the figures of each group of documents as well.

    Intervals are the bootstrap's over documents (`unit`); of fewer than 20 documents over stretches of them, which says less.

    `ngram_bits_per_byte` is what an n-gram model of order 5 with Kneser-Ney smoothing, counted on the run's training text,
    gives to the same tokens: what the run's model has to beat. It takes some 80 bytes of memory for each token counted. Where
    training read documents with their middle last (data.fim_rate), it counts them as they are.

    Of a model of a run, all figures are kept in RUN/evaluations/, whichever were asked for. Of a run of preferences: loss, accuracy and
    rewards.
    """
    names = read_metric_names(metrics if isinstance(metrics, str) else ",".join(metrics))
    way = read_way(by)
    language_model = model if isinstance(model, LanguageModel) else LanguageModel.load(model)
    path = None if isinstance(model, LanguageModel) else Path(model)
    run = run_of(path)
    if data is None and run is not None and trains_on_rows(run):
        _require_nothing_of_texts(run, names, window, way)
        begin(f"{path or 'the model'} reads the held-out rows", 0)
        figures = evaluate_rows(language_model, run, names, say)
        keep_evaluation(path, "validation", figures, {}, say)
        return _only(figures, names)
    batch_size = EvaluationSettings().batch_size
    if data is None:
        prepared, settings = data_of_run(
            path,
            "it has no validation text of its own: name a text (--data, or data=), or",
            say,
            language_model.tokenizer,
        )
        batch_size = settings.evaluation.batch_size
        text = text_of_run(prepared)
    else:
        if NGRAM in names:
            prepared, settings = data_of_run(
                path,
                f"there is no training text to count n-grams of: leave out {NGRAM}, or name",
                say,
                language_model.tokenizer,
            )
        text = read_text(source_names(data), language_model.tokenizer, sees_own_documents(run), say)
    groups = None if way is None else group_documents(text, language_model.tokenizer, way)
    asked_window, window = window, window_of(language_model, run, window)
    predictions, bytes_of_tokens = predict(
        language_model, text, window, batch_size, by_model(path or "the model", begin)
    )
    rows = rows_of(text, predictions, bytes_of_tokens)
    over = {"tokens": rows.num_tokens, "bytes": predicted_bytes(text, language_model.tokenizer), "window": window}
    figures = {"data": text.name, **rows.as_plain(DEFAULT_METRICS), **over}
    if way is not None and groups is not None:
        of_rows = groups_of_rows(text, groups)
        figures[f"by_{way}"] = {
            name: {**part.as_plain(DEFAULT_METRICS), "tokens": part.num_tokens}
            for name in group_order(way, groups)
            if (part := rows.of(of_rows == name)).num_tokens
        }
    told = {"data": None if data is None else source_names(data), "window": window, "by": way}
    kept_as = "-".join([text.name, *([f"window-{window}"] if asked_window else []), *([f"by-{way}"] if way else [])])
    keep_evaluation(path, kept_as, figures, told, say)
    if NGRAM in names:
        begin("counting n-grams", 0)
        losses = _count_ngrams(prepared, settings, run, say).losses(text.ids)[1:]
        interval = _ngram_interval(losses, text, bytes_of_tokens)
        keep_evaluation(path, f"{text.name}-ngram", {"data": text.name, NGRAM: interval, **over}, told, say)
        figures[NGRAM] = interval["value"]
        figures["intervals"] = {**figures["intervals"], NGRAM: interval}
    return _only(figures, names)


def _only(figures: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Without the figures that weren't asked for, in the groups neither."""
    left_out = set(DEFAULT_METRICS) - set(names)
    left_out |= {"calibration"} if "calibration_error" in left_out else set()
    asked = {name: value for name, value in figures.items() if name not in left_out}
    asked["intervals"] = {name: value for name, value in figures["intervals"].items() if name not in left_out}
    groups = {name: value for name, value in asked.items() if name.startswith("by_")}
    return asked | {way: {group: _only(part, names) for group, part in parts.items()} for way, parts in groups.items()}


def read_way(by: str | None) -> By | None:
    """What to tell groups of documents by. Raises `SettingError`."""
    if by is not None and by not in WAYS:
        raise SettingError("by", by, f"use {', '.join(WAYS)}, or leave it out")
    return by


def source_names(data: str | Path | Sequence[str | Path]) -> list[str]:
    """One source or several as a list."""
    return list(map(str, (data,) if isinstance(data, str | Path) else data))


def sees_own_documents(run: Path | None) -> bool:
    """Whether the run's model was trained to see of a row its own document only."""
    return run is not None and load_recipe(str(run / RECIPE_FILE)).data.document_attention == "own"


def window_of(language_model: LanguageModel, run: Path | None, window: int) -> int:
    """The length of windows: what was asked for, else that of the run's rows. Raises `SettingError` for more than the context."""
    longest = language_model.model.config.max_seq_len
    if window > longest:
        raise SettingError("window", window, f"the model's context holds {longest} tokens; use at most as many")
    of_run = 0 if run is None else load_recipe(str(run / RECIPE_FILE)).model.max_seq_len
    return min(window or of_run or longest, longest)


def data_of_run(
    path: Path | None, otherwise: str, say: Callable[[str], None], tokenizer: Tokenizer | None = None
) -> tuple[PreparedData, Recipe]:
    """The data of the run that the path lies in, the same that it was trained on, and its recipe. With its `tokenizer`, the
    base of the run need not be there. Raises `DataError`, which says what to do `otherwise`, for a path that is not part of a run."""
    run = run_of(path)
    if run is None:
        raise DataError(
            f"{path or 'a model that is already loaded'} is not part of a run, so {otherwise} the run's folder in place of "
            "the model"
        )
    settings = load_recipe(str(run / RECIPE_FILE))
    if trains_on_rows(run):
        raise DataError(f"{run} was trained on rows, not on a text, so {otherwise} a run that was trained on text")
    prepared = prepare_data(settings, RunDirectory(run).working_folder(), say, tokenizer)
    require_same_data(RunDirectory(run), prepared)
    return prepared, settings


def _ngram_interval(
    losses: NDArray[np.float64], text: EvaluatedText, bytes_of_tokens: NDArray[np.float64]
) -> Mapping[str, Any]:
    ends, _ = cut(text.ends - 1)
    owner = np.searchsorted(ends, np.arange(len(losses)), side="right")
    rows = np.stack([np.bincount(owner, each, len(ends)) for each in (losses, bytes_of_tokens)], axis=1).astype(
        np.float64
    )
    return intervals_of(rows, {NGRAM: lambda sums: sums[:, 0] / math.log(2) / sums[:, 1]})[NGRAM].as_plain()


def _require_nothing_of_texts(run: Path, names: Sequence[str], window: int, way: By | None) -> None:
    if NGRAM in names:
        raise DataError(f"{NGRAM} counts a training text, and {run} was trained on rows: leave it out")
    if window:
        raise DataError(f"{run} was trained on rows, which are measured as they are, not in windows: leave out window")
    if way is not None:
        raise DataError(
            f"{run} was trained on rows, which are measured together: leave out by, or name a text with data"
        )


def _count_ngrams(prepared: PreparedData, settings: Recipe, run: Path | None, say: Callable[[str], None]) -> NgramModel:
    assert run is not None  # else there would be no prepared data
    ids = plain_training_ids(prepared, settings, RunDirectory(run).working_folder(), say)
    return train_ngram_model(ids, prepared.tokenizer.vocab_size, prepared.tokenizer.end_id)

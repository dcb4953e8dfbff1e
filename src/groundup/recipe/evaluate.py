"""`evaluate`: measure any model on any text, or a run's model on its own validation text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError, ModelError
from groundup.evaluation.ngram import NgramModel, train_ngram_model
from groundup.evaluation.settings import EvaluationSettings
from groundup.language_model import LanguageModel
from groundup.recipe.data import plain_training_ids, prepare_data
from groundup.recipe.evaluate_rows import evaluate_rows, trains_on_rows
from groundup.recipe.identity import require_same_data
from groundup.recipe.measure import measure_tokens
from groundup.recipe.metrics import DEFAULT_METRICS, NGRAM, read_metric_names
from groundup.recipe.settings import Recipe, load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.prepare import PreparedData
from groundup.tokens.sharded_ids import TokenIds
from groundup.tokens.tokenizer import Tokenizer


def _warn(text: str) -> None:
    warnings.warn(text.removeprefix("warning: "), stacklevel=2)


@dataclass(frozen=True)
class _Text:
    """A text to measure on, as tokens."""

    name: str
    ids: TokenIds
    num_bytes: int
    first_piece: str
    """What the first token stands for, the one that nothing predicts."""
    document_ends: NDArray[Any] | None = None
    """Where each document ends, if a token is to be predicted from its own document alone."""


def evaluate(
    model: LanguageModel | str | Path,
    data: str | Path | Sequence[str | Path] | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    say: Callable[[str], None] = _warn,
    window: int = 0,
) -> dict[str, Any]:
    """The figures asked for, and over what: tokens, bytes, window, data. Of a run of preferences: loss, accuracy and rewards.

    `data`: a text file, a folder, a glob, or a catalogue name; without it, a run's own validation text, or its held-out rows.
    Non-overlapping windows of `window` tokens (0: as many as the run's rows have, or, of no run, the model's context); each token but
    the text's first is predicted once. A model of a run with data.document_attention = "own" sees of a window its own document only.

    `ngram_bits_per_byte` is what an n-gram model of order 5 with Kneser-Ney smoothing, counted on the run's training text,
    gives to the same tokens: what the run's model has to beat. It takes some 80 bytes of memory for each token counted. Where
    training read documents with their middle last (data.fim_rate), it counts them as they are.
    """
    names = read_metric_names(metrics if isinstance(metrics, str) else ",".join(metrics))
    language_model = model if isinstance(model, LanguageModel) else LanguageModel.load(model)
    path = None if isinstance(model, LanguageModel) else Path(model)
    batch_size = EvaluationSettings().batch_size
    run = run_of(path)
    if data is None and run is not None and trains_on_rows(run):
        if NGRAM in names:
            raise DataError(f"{NGRAM} counts a training text, and {run} was trained on rows: leave it out")
        if window:
            raise DataError(
                f"{run} was trained on rows, which are measured as they are, not in windows: leave out window"
            )
        return evaluate_rows(language_model, run, names, say)
    if data is None:
        prepared, settings = data_of_run(
            path,
            "it has no validation text of its own: name a text (--data, or data=), or",
            say,
            language_model.tokenizer,
        )
        batch_size = settings.evaluation.batch_size
        split = prepared.validation
        ends = split.ends if prepared.own_documents else None
        text = _Text("validation", split.ids, split.num_bytes, split.first_piece, ends)
    else:
        if NGRAM in names:
            prepared, settings = data_of_run(
                path,
                f"there is no training text to count n-grams of: leave out {NGRAM}, or name",
                say,
                language_model.tokenizer,
            )
        sources = tuple(map(str, (data,) if isinstance(data, str | Path) else data))
        text = _read_text(language_model.tokenizer, path, sources, say)
    measured = measure_tokens(
        language_model.model,
        text.ids,
        language_model.tokenizer,
        text.num_bytes,
        text.first_piece,
        batch_size=batch_size,
        document_ends=text.document_ends,
        window=window or _row_length(path),
    )
    if math.isnan(measured.loss):
        raise ModelError(
            "the model's scores are not finite numbers: its weights are damaged, so use another checkpoint"
        )
    figures = asdict(measured)
    if NGRAM in names:
        counted = _count_ngrams(prepared, settings, path, say)
        figures[NGRAM] = counted.bits_per_byte(text.ids, measured.bytes) if measured.bytes else None
    return {"data": text.name, **{name: figures[name] for name in (*names, "tokens", "bytes", "window")}}


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


def _count_ngrams(
    prepared: PreparedData, settings: Recipe, path: Path | None, say: Callable[[str], None]
) -> NgramModel:
    run = run_of(path)
    assert run is not None  # else there would be no prepared data
    ids = plain_training_ids(prepared, settings, RunDirectory(run).working_folder(), say)
    return train_ngram_model(ids, prepared.tokenizer.vocab_size, prepared.tokenizer.end_id)


def _row_length(path: Path | None) -> int:
    """How many tokens a row has of the run that a model is of; 0 for one of none."""
    run = run_of(path)
    return 0 if run is None else load_recipe(str(run / RECIPE_FILE)).model.max_seq_len


def run_of(path: Path | None) -> Path | None:
    """The run that a model's path is, or lies in; None for one that is part of none."""
    folders = (path, *path.resolve().parents) if path else ()
    run = next((folder for folder in folders if (folder / RECIPE_FILE).is_file()), None)
    return run if run is not None and RunDirectory(run).started else None


def _read_text(tokenizer: Tokenizer, path: Path | None, sources: tuple[str, ...], say: Callable[[str], None]) -> _Text:
    documents = read_documents(DataSettings(source=sources), cache_directory(), say)
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], dtype=np.int32)
    encoded = [np.concatenate([tokenizer.encode_array(document.text), end]) for document in documents]
    ids = np.concatenate(encoded)
    run = run_of(path)
    own = run is not None and load_recipe(str(run / RECIPE_FILE)).data.document_attention == "own"
    ends = np.cumsum([len(one) for one in encoded]) if own else None
    unknown = 0 if tokenizer.unknown_id is None else int((ids == tokenizer.unknown_id).sum())
    if unknown:
        say(
            f"warning: {unknown:,} of {len(ids):,} tokens are characters or words that the model's tokenizer doesn't have; "
            "they count as `<|unk|>`"
        )
    if len(ids) - len(end) * len(documents) < 2:
        raise DataError(
            f"the text of {', '.join(sources)} is a single token, and a loss needs one to predict from and one to predict: "
            "give a longer text"
        )
    num_bytes = sum(len(document.text.encode()) for document in documents)
    return _Text(", ".join(sources), ids, num_bytes, tokenizer.first_piece(documents[0].text), ends)

"""`evaluate`: measure any model on any text, or a run's model on its own validation text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from groundup.errors import DataError, ModelError
from groundup.evaluation.likelihood import Likelihood
from groundup.language_model import LanguageModel
from groundup.recipe.data import prepare_data
from groundup.recipe.identity import require_same_data
from groundup.recipe.measure import measure_tokens, measure_validation
from groundup.recipe.metrics import METRICS, read_metric_names
from groundup.recipe.settings import load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents


def _warn(text: str) -> None:
    warnings.warn(text.removeprefix("warning: "), stacklevel=2)


def evaluate(
    model: LanguageModel | str | Path,
    data: str | Path | Sequence[str | Path] | None = None,
    metrics: str | Sequence[str] = METRICS,
    say: Callable[[str], None] = _warn,
) -> dict[str, Any]:
    """The figures asked for, and over what: tokens, bytes, window, data.

    `data`: a text file, a folder, a glob, or a catalogue name; without it, a run's own validation text. Non-overlapping windows
    of the model's context; each token but the text's first is predicted once. A model of a run with data.document_attention = "own"
    sees of a window its own document only.
    """
    names = read_metric_names(metrics if isinstance(metrics, str) else ",".join(metrics))
    language_model = model if isinstance(model, LanguageModel) else LanguageModel.load(model)
    path = None if isinstance(model, LanguageModel) else Path(model)
    if data is None:
        measured, read = _on_own_validation(language_model, path, say), "validation"
    else:
        sources = tuple(map(str, (data,) if isinstance(data, str | Path) else data))
        measured, read = _on_text(language_model, path, sources, say), ", ".join(sources)
    if math.isnan(measured.loss):
        raise ModelError(
            "the model's scores are not finite numbers: its weights are damaged, so use another checkpoint"
        )
    figures = asdict(measured)
    return {"data": read, **{name: figures[name] for name in (*names, "tokens", "bytes", "window")}}


def _on_own_validation(language_model: LanguageModel, path: Path | None, say: Callable[[str], None]) -> Likelihood:
    run = _run_of(path)
    if run is None:
        raise DataError(
            f"{path or 'a model that is already loaded'} is not part of a run, so it has no validation text of its own: "
            "name a text (--data, or data=), or the run's folder in place of the model"
        )
    settings = load_recipe(str(run / RECIPE_FILE))
    prepared = prepare_data(settings, RunDirectory(run).working_folder(), say)
    require_same_data(RunDirectory(run), prepared)
    return measure_validation(language_model.model, prepared, settings.evaluation.batch_size)


def _run_of(path: Path | None) -> Path | None:
    """The run that a model's path is, or lies in; None for one that is part of none."""
    folders = (path, *path.resolve().parents) if path else ()
    run = next((folder for folder in folders if (folder / RECIPE_FILE).is_file()), None)
    return run if run is not None and RunDirectory(run).started else None


def _on_text(
    language_model: LanguageModel, path: Path | None, sources: tuple[str, ...], say: Callable[[str], None]
) -> Likelihood:
    tokenizer = language_model.tokenizer
    documents = read_documents(DataSettings(source=sources), cache_directory(), say)
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], dtype=np.int32)
    encoded = [np.concatenate([tokenizer.encode_array(document.text), end]) for document in documents]
    ids = np.concatenate(encoded)
    run = _run_of(path)
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
    first_piece = tokenizer.first_piece(documents[0].text)
    return measure_tokens(language_model.model, ids, tokenizer, num_bytes, first_piece, document_ends=ends)

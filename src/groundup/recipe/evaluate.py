"""`evaluate`: measure any model on any text, or a run's model on its own validation text."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from groundup.errors import DataError
from groundup.evaluation.likelihood import Likelihood, likelihood
from groundup.language_model import LanguageModel
from groundup.recipe.data import prepare_data
from groundup.recipe.identity import require_same_data
from groundup.recipe.metrics import METRICS
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import measure_validation
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.plan import validation_windows

BATCH_TOKENS = 16_384  # tokens scored at once: enough to keep a CPU busy, small enough for its memory


def evaluate(
    model: LanguageModel | str | Path,
    data: str | Sequence[str] | None = None,
    metrics: Sequence[str] = METRICS,
    say: Callable[[str], None] = warnings.warn,
) -> dict[str, Any]:
    """The figures asked for, and over what: tokens, bytes, window, data.

    `data`: a text file, a folder, a glob, or a catalogue name; without it, a run's own validation text. Non-overlapping windows
    of the model's context; each token but the text's first is predicted once.
    """
    language_model = model if isinstance(model, LanguageModel) else LanguageModel.load(model)
    if data is None:
        measured, name = (
            _on_own_validation(language_model, None if isinstance(model, LanguageModel) else Path(model), say),
            "validation",
        )
    else:
        sources = (data,) if isinstance(data, str) else tuple(data)
        measured, name = _on_text(language_model, sources, say), ", ".join(sources)
    figures = asdict(measured)
    return {"data": name, **{name: figures[name] for name in (*metrics, "tokens", "bytes", "window")}}


def _on_own_validation(language_model: LanguageModel, path: Path | None, say: Callable[[str], None]) -> Likelihood:
    folders = (path, *path.resolve().parents) if path else ()
    run = next((folder for folder in folders if (folder / RECIPE_FILE).is_file()), None)
    if run is None or not RunDirectory(run).started:
        raise DataError(
            f"{path or 'this model'} is not part of a run, so it has no validation text of its own: name a text with --data"
        )
    settings = load_recipe(str(run / RECIPE_FILE))
    prepared = prepare_data(settings, say)
    require_same_data(RunDirectory(run), prepared)
    return measure_validation(language_model.model, prepared, settings.evaluation.batch_size)


def _on_text(language_model: LanguageModel, sources: tuple[str, ...], say: Callable[[str], None]) -> Likelihood:
    tokenizer = language_model.tokenizer
    documents = read_documents(DataSettings(source=sources), cache_directory(), say)
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], dtype=np.int32)
    ids = np.concatenate([part for document in documents for part in (tokenizer.encode_array(document.text), end)])
    unknown = 0 if tokenizer.unknown_id is None else int((ids == tokenizer.unknown_id).sum())
    if unknown:
        say(
            f"warning: {unknown:,} of {len(ids):,} tokens are characters that the model's tokenizer never saw; they count as `<|unk|>`"
        )
    window = language_model.model.config.max_seq_len
    windows = validation_windows(len(ids), window, 0)
    num_bytes = sum(len(document.text.encode()) for document in documents)
    first = len(tokenizer.decode([int(ids[0])]).encode()) if len(ids) else 0
    return likelihood(language_model.model, ids, windows, max(1, BATCH_TOKENS // window), num_bytes - first, window)

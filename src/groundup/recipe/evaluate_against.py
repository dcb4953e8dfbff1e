"""`evaluate A --against B`: two models over the same documents or the same prompts, with a paired test of each difference."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.evaluation.intervals import Paired
from groundup.evaluation.predicted import FIGURES, Predicted, cut, predicted
from groundup.evaluation.settings import EvaluationSettings
from groundup.evaluation.totals import compare
from groundup.language_model import LanguageModel
from groundup.recipe.evaluate import data_of_run, sees_own_documents, source_names, window_of
from groundup.recipe.evaluate_generations import MAX_NEW_TOKENS, measure, write
from groundup.recipe.evaluated_text import EvaluatedText, encode, predict, text_of_run, token_bytes
from groundup.recipe.keep_evaluation import keep_evaluation, run_of
from groundup.recipe.reference_rows import read_references
from groundup.recipe.under_way import Begin, by, unseen
from groundup.text.bad_input import without_settings
from groundup.text.cache import cache_directory
from groundup.text.document import Document
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents


def evaluate_against(
    a: str | Path,
    b: str | Path,
    data: str | Path | Sequence[str | Path] | None = None,
    window: int = 0,
    references: str | Path | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Callable[[str], None] = warnings.warn,
    begin: Begin = unseen,
) -> dict[str, Any]:
    """For each figure what `a` has, what `b` has, the `difference` a - b with its interval, and `p`, how often chance would do as much.

    Over `data`, or else over the validation text of the run that `a` is of: bits per byte, which every tokenizer's models can be compared
    by; loss, perplexity, accuracy and calibration too where both have one tokenizer. With `references`, over what each writes to the
    prompts. It is kept with a's run.
    """
    models = [LanguageModel.load(path) for path in (a, b)]
    if references is not None:
        rows = read_references(Path(references), prompts=True)
        first, second = (
            measure(write(model, rows, max_new_tokens, by(path, begin)), rows, say)
            for model, path in zip(models, (a, b), strict=True)
        )
        told: dict[str, Any] = {"references": str(references), "max_new_tokens": max_new_tokens, "temperature": 0.0}
        figures = _plain(first.against(second), Path(references).name, "items", len(rows))
        figures["signatures"] = dict(first.signatures)
    else:
        told = {"data": None if data is None else source_names(data), "window": window}
        texts = _texts(models, a, b, data, say)
        first_rows, second_rows = _rows(models, [a, b], texts, window, begin)
        same_tokens = models[0].tokenizer.sha256 == models[1].tokenizer.sha256
        wanted = FIGURES if same_tokens else {"bits_per_byte": FIGURES["bits_per_byte"]}
        found = compare(first_rows.rows, second_rows.rows, wanted)
        figures = _plain(found, texts[0].name, first_rows.unit, len(first_rows.rows))
    keep_evaluation(Path(a), f"{figures['data']}-against-{Path(b).name}", figures, {**told, "against": str(b)}, say)
    return figures


def _plain(found: Mapping[str, Paired], name: str, unit: str, n: int) -> dict[str, Any]:
    return {
        "data": name,
        "unit": unit,
        "n": n,
        "figures": {figure: each.as_plain() for figure, each in found.items()},
    }


def _texts(
    models: Sequence[LanguageModel],
    a: str | Path,
    b: str | Path,
    data: str | Path | Sequence[str | Path] | None,
    say: Callable[[str], None],
) -> list[EvaluatedText]:
    """The same text as each model's tokenizer reads it."""
    own = [sees_own_documents(run_of(Path(path))) for path in (a, b)]
    if data is not None:
        with without_settings():
            documents = read_documents(DataSettings(source=tuple(source_names(data))), cache_directory(), say)
        return [encode(documents, model.tokenizer, alone, say) for model, alone in zip(models, own, strict=True)]
    otherwise = "it has no validation text of its own: name a text (--data, or data=), or"
    prepared, _ = data_of_run(Path(a), otherwise, say, models[0].tokenizer)
    text = text_of_run(prepared)
    if models[0].tokenizer.sha256 == models[1].tokenizer.sha256:
        return [text, replace(text, own_documents=own[1])]
    if prepared.validation.num_unknown:
        raise DataError(
            f"the tokenizer of {a} cannot spell its whole held-out text, so {b} cannot be asked the same: name a text with --data"
        )
    held_out = [
        Document(str(number), each, text.name, "") for number, each in enumerate(text.texts(models[0].tokenizer))
    ]
    return [text, encode(held_out, models[1].tokenizer, own[1], say)]


def _rows(
    models: Sequence[LanguageModel],
    paths: Sequence[str | Path],
    texts: Sequence[EvaluatedText],
    window: int,
    begin: Begin,
) -> list[Predicted]:
    """The predictions of each model, cut at the same places of the text, which tokenizers may put at other tokens."""
    found, cuts = [], _cuts(texts[0], models[0])
    for model, path, text in zip(models, paths, texts, strict=True):
        length = window_of(model, run_of(Path(path)), window)
        batch_size = EvaluationSettings().batch_size
        predictions, bytes_of_tokens = predict(model, text, length, batch_size, by(path, begin))
        if cuts is None:
            ends, unit = text.ends - 1, "documents"
        else:
            ends, unit = _token_ends(bytes_of_tokens, cuts), "stretches"
        found.append(predicted(predictions, ends, bytes_of_tokens, unit))
    return found


def _cuts(text: EvaluatedText, model: LanguageModel) -> NDArray[np.float64] | None:
    """Where stretches end, as shares of the text's bytes; None where the documents are many enough to stand for themselves."""
    ends, unit = cut(text.ends - 1)
    if unit == "documents":
        return None
    before = np.concatenate([[0.0], np.cumsum(token_bytes(text, model.tokenizer))])
    shares: NDArray[np.float64] = before[ends] / before[-1]
    return shares


def _token_ends(bytes_of_tokens: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Up to which token each stretch goes: a token that lies across a cut belongs to the stretch that it begins in."""
    before = np.concatenate([[0.0], np.cumsum(bytes_of_tokens)[:-1]]) / bytes_of_tokens.sum()
    ends = np.searchsorted(before, shares - 1e-9, side="left")
    ends[-1] = len(bytes_of_tokens)
    return ends

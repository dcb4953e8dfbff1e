"""`evaluate --references`: what a model writes to prompts, or what was written before, held against references."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from groundup.errors import DataError, GenerationError, GroundupError, SettingError
from groundup.evaluation.overlap import Overlap, overlap
from groundup.evaluation.words import is_unspaced
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.text_engine import TextEngine
from groundup.recipe.keep_evaluation import keep_evaluation
from groundup.recipe.reference_rows import ReferenceRow, read_predictions, read_references
from groundup.recipe.under_way import Begin, by, unseen

SLOTS = 16
MAX_NEW_TOKENS = 128


def evaluate_generations(
    model: LanguageModel | str | Path | None,
    references: str | Path,
    predictions: str | Path | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Callable[[str], None] = warnings.warn,
    begin: Begin = unseen,
) -> dict[str, Any]:
    """BLEU and chrF with sacrebleu's signatures, ROUGE, exact match, distinct-n, repetition: figures, `intervals` over the items, `texts`.

    Either a `model` writes to each row's prompt (greedily, up to `max_new_tokens`) or a file of `predictions` holds what was written.
    Raises `DataError` where there are not as many predictions as references.
    """
    if (model is None) == (predictions is None):
        raise SettingError(
            "predictions", str(predictions), "give either a model, which writes, or a file of what was written before"
        )
    rows = read_references(Path(references), prompts=predictions is None)
    if predictions is not None:
        texts = read_predictions(Path(predictions))
        if len(texts) != len(rows):
            raise DataError(
                f"{predictions} has {len(texts):,} predictions and {references} references for {len(rows):,}: give one for each, in the "
                "same order"
            )
        return figures_of(measure(texts, rows, say), Path(references).name)
    language_model = model if isinstance(model, LanguageModel) else LanguageModel.load(str(model))
    path = None if isinstance(model, LanguageModel) else Path(str(model))
    texts = write(language_model, rows, max_new_tokens, by(path or "the model", begin))
    figures = figures_of(measure(texts, rows, say), Path(references).name)
    told = {"references": str(references), "max_new_tokens": max_new_tokens, "temperature": 0.0}
    keep_evaluation(path, f"generations-{Path(references).stem}", figures, told, say)
    return figures


def write(
    language_model: LanguageModel, rows: Sequence[ReferenceRow], max_new_tokens: int, begin: Begin = unseen
) -> list[str]:
    """What the model writes to each prompt, taking the likeliest token always; to messages its reply. `SLOTS` at a time. Raises
    `GenerationError` that names the item whose prompt cannot be used."""
    settings = GenerationSettings(temperature=0.0, max_new_tokens=max_new_tokens)
    requests, texts = dict[int, Request](), [""] * len(rows)
    for number, row in enumerate(rows):
        try:
            asked = _asked(language_model, row.prompt, settings)
        except GroundupError as error:
            raise GenerationError(f"item {number + 1} cannot be asked: {error}") from error
        if isinstance(asked, Request):
            requests[number] = asked
        else:
            texts[number] = asked
    longest = max((len(request.prompt) for request in requests.values()), default=0) + 1 + max_new_tokens
    places = min(language_model.model.config.max_seq_len, longest)  # a whole context for each would be gigabytes
    engine = TextEngine(language_model, max(1, min(SLOTS, len(requests))), places)
    tickets = {engine.add(request): number for number, request in requests.items()}
    done = begin("writes to the prompts", len(tickets))
    while engine.busy:
        for piece in engine.step():
            texts[tickets[piece.ticket]] += piece.text
            done(piece.finish is not None)
    return texts


def _asked(
    language_model: LanguageModel, prompt: str | Sequence[Mapping[str, str]] | None, settings: GenerationSettings
) -> Request | str:
    """What the engine is asked for a prompt; or at once what the model replies, where it has no chat template; nothing to no prompt."""
    if prompt is None:
        return ""
    if isinstance(prompt, str):
        language_model.check_prompt(prompt)
        return Request(language_model.tokenizer.encode(prompt), settings)
    if language_model.chat_template is not None:
        ids, ends = language_model.chat_ids(prompt)
        return Request(ids, settings, stop_ids=frozenset(ends))
    # A plain transcript, which ends otherwise.
    return language_model.chat(prompt, temperature=0.0, max_new_tokens=settings.max_new_tokens)


def measure(texts: Sequence[str], rows: Sequence[ReferenceRow], say: Callable[[str], None]) -> Overlap:
    """Texts against the rows' references; `say` is told of empty ones, and of such as BLEU can't read."""
    found = overlap(texts, [row.references for row in rows])
    empty = sum(not text.strip() for text in texts)
    if empty:
        say(f"warning: {empty:,} of {len(texts):,} texts are empty, and count as such")
    without = sum(not any(reference.strip() for reference in row.references) for row in rows)
    if without:
        say(f"warning: {without:,} of {len(rows):,} items have nothing but empty references, and count as such")
    if is_unspaced(" ".join(row.references[0] for row in rows)):
        say(
            "warning: nothing sets words apart in most of the references, so BLEU takes whole sentences for words: go by chrF"
        )
    return found


def figures_of(found: Overlap, name: str) -> dict[str, Any]:
    """As JSON values."""
    intervals = {figure: interval.as_plain() for figure, interval in found.intervals().items()}
    return {
        "data": name,
        **{figure: interval["value"] for figure, interval in intervals.items()},
        "intervals": intervals,
        "unit": "items",
        "items": len(found.texts),
        "signatures": dict(found.signatures),
        "texts": list(found.texts),
    }

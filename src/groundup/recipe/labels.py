"""What a recipe would learn from its data, before the first step: which tokens carry loss, and what was dropped. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.language_model.text_stream import IncrementalDecoder
from groundup.recipe.data import prepare_data, tokenizer_for_rows
from groundup.recipe.settings import Recipe
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.tokens.mark_examples import CROPPED
from groundup.tokens.plan import Windows
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepare_examples import prepare_unchecked, require_examples
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.tokens.tokenizer import Tokenizer

Say = Callable[[str], None]


def inspect_labels(settings: Recipe, name: str, folder: Path, num_shown: int, say: Say) -> dict[str, Any]:
    """The labels of a recipe's training data as JSON values, `num_shown` of its rows token by token.

    Data that training would refuse is shown, too: `problem` says why. Raises `DataError` where there are no rows at all.
    """
    objective = settings.training.objective
    if objective == "language_model":
        found = _of_text(prepare_data(settings, folder, say), settings.data, num_shown)
    else:
        prepared = prepare_unchecked(
            settings.data,
            tokenizer_for_rows(settings, folder),
            objective,
            settings.model.max_seq_len,
            settings.training.batch_size,
            cache_directory(),
            say,
            folder,
        )
        found = _of_rows(prepared, num_shown)
        try:
            require_examples(prepared, settings.data, settings.training.batch_size, say)
        except DataError as error:
            found["problem"] = str(error)
    tokenizer = settings.model.base or settings.tokenizer.path or f"kind {settings.tokenizer.kind}"
    limits = {"max_seq_len": settings.model.max_seq_len, "batch_size": settings.training.batch_size}
    return {"recipe": name, "objective": objective, "tokenizer": tokenizer, **limits, "problem": "", **found}


def _of_rows(prepared: PreparedExamples, num_shown: int) -> dict[str, Any]:
    store, facts = prepared.train, prepared.facts
    labels, tokens, learned = facts["labels"], facts["tokens"]["train"], facts["labels"]["learned_tokens"]["train"]
    names = ("chosen", "rejected") if prepared.pairs else ("",)
    examples = [
        {
            "name": f"{'pair' if prepared.pairs else 'example'} {number + 1:,} of {len(store):,}",
            "rows": [
                {"name": row_name, **_shown(prepared.tokenizer, row)}
                for row_name, row in zip(names, store.rows_of(number), strict=True)
            ],
        }
        for number in _spread(len(store), num_shown)
    ]
    cropped = labels["cropped"]
    places = labels["places"]
    dropped = [_done("dropped", what, count, places) for what, count in facts["steps"]["dropped"].items()]
    if cropped["rows"]:
        what = f"{CROPPED}, {cropped['tokens']:,} tokens in all"
        dropped.append(_done("cropped", what, cropped["rows"], {what: places.get(CROPPED, [])}))
    for what, count in facts["left_out"]["counts"].items():
        dropped.append(_done("left out", what, count, facts["left_out"]["examples"]))
    return {
        "template": labels["template"]["name"],
        "stop": {"token": labels["stop"], "examples": labels["stop_learned"]["train"]},
        "unit": "pairs" if prepared.pairs else "examples",
        "read": facts["steps"]["read"],
        "examples": facts["documents"],
        "teach_nothing": labels["teach_nothing"]["train"],
        "tokens": {"train": tokens, "learned": learned, "masked": tokens - learned},
        "done": dropped,
        "lengths": _histogram(store.lengths),
        "plan": {**facts["packing"], "num_rows": prepared.plan.num_rows},
        "note": "",
        "shown": examples,
    }


def _of_text(prepared: PreparedData, data: DataSettings, num_shown: int) -> dict[str, Any]:
    store, plan, facts = prepared.train, prepared.plan, prepared.facts
    end_id, tokens = prepared.tokenizer.end_id, len(store.ids)
    ends = np.asarray(store.ends)
    numbers = np.array(_spread(plan.num_rows, num_shown), np.int64)
    rows = [_row_of_text(prepared, numbers[place : place + 1]) for place in range(len(numbers))]
    examples = [
        {"name": f"row {number + 1:,} of {plan.num_rows:,}", "rows": [{"name": "", **_shown(prepared.tokenizer, row)}]}
        for number, row in zip(numbers.tolist(), rows, strict=True)
    ]
    end = "" if end_id is None else prepared.tokenizer.decode([end_id], skip_special_tokens=False)
    behind = "the token that ends each document included" if end else "and no token tells where a document ends"
    packing = facts.get("packing", {"kind": data.packing, "rows": plan.num_rows, "padding_share": 0.0})
    return {
        "template": "",
        "stop": {"token": end, "examples": facts["documents"]["train"] if end else 0},
        "unit": "documents",
        "read": facts["steps"]["read"],
        "examples": facts["documents"],
        "teach_nothing": 0,
        "tokens": {"train": tokens, "learned": tokens - isinstance(plan.rows, Windows), "masked": 0},
        "done": [_done("dropped", what, count, {}) for what, count in facts["steps"]["dropped"].items()],
        "lengths": _histogram(np.diff(ends, prepend=0)),
        "plan": {**packing, "num_rows": plan.num_rows},
        "note": f"Every token of the text carries loss, {behind}: nothing is masked but padding, and what a row begins with.",
        "shown": examples,
    }


def _row_of_text(prepared: PreparedData, number: NDArray[np.int64]) -> NDArray[np.int64]:
    """A row as it is first read, without the padding behind it. `number` (1,): which."""
    plan = prepared.plan
    ids: NDArray[np.int64] = plan.rows.read(
        prepared.train.ids, number, np.zeros(1, np.int64), plan.sequence_length, None
    )[0]
    if isinstance(plan.rows, Windows):
        return ids
    there = np.flatnonzero(ids != ~plan.rows.padding_id)
    whole: NDArray[np.int64] = ids[: int(there[-1]) + 1]
    return whole


def _spread(total: int, wanted: int) -> list[int]:
    """Numbers below `total`, evenly spread, at most `wanted`."""
    count = min(total, wanted)
    return [place * total // count for place in range(count)]


def _done(kind: str, what: str, count: int, places: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"kind": kind, "what": what, "count": count, "places": list(places.get(what, []))}


def _shown(tokenizer: Tokenizer, ids: NDArray[Any]) -> dict[str, Any]:
    """A row's tokens as (id, text, whether it carries loss, whether it is a special one), and how many carry loss."""
    marked = ids.tolist()
    learned = [number >= 0 and place > 0 for place, number in enumerate(marked)]
    numbers = [number if number >= 0 else ~number for number in marked]
    special = set(tokenizer.special_tokens().values())
    tokens = list(
        zip(numbers, _texts(tokenizer, numbers), learned, (number in special for number in numbers), strict=True)
    )
    return {"tokens": tokens, "learned": sum(learned)}


def _texts(tokenizer: Tokenizer, ids: Sequence[int]) -> Iterator[str]:
    """What each token says; a character of several tokens stands at the last of them."""
    decoder = IncrementalDecoder(partial(tokenizer.decode, skip_special_tokens=False), [])
    for place, number in enumerate(ids):
        text = decoder.add(number)
        yield text if text or place < len(ids) - 1 else decoder.finish()


def _histogram(lengths: NDArray[np.int64]) -> list[dict[str, int]]:
    """How many rows are how long, in classes that double: from 2^k to 2^(k+1) - 1 tokens."""
    if not len(lengths):
        return []
    classes = np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    counts = np.bincount(classes)
    first = int(np.flatnonzero(counts)[0])
    return [
        {"from": 2**power, "to": 2 ** (power + 1) - 1, "rows": int(counts[power])}
        for power in range(first, len(counts))
    ]

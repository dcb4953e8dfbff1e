"""Two models on one task: each figure's difference over the same rows, with its interval and a paired test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from groundup.errors import DataError
from groundup.evaluation.intervals import Paired
from groundup.evaluation.tasks.score import TaskResult
from groundup.evaluation.totals import Figure, Floats, compare


def compare_results(a: TaskResult, b: TaskResult, samples: int = 10_000) -> dict[str, Paired]:
    """Each figure of two models that were asked the same rows, by approximate randomization as all others that two models are compared
    by (`totals.compare`). A perplexity that is beyond a number's range is left out. Raises `DataError` where the rows aren't the same."""
    if [item.place for item in a.items] != [item.place for item in b.items]:
        raise DataError(f"the two models were asked other rows of {a.task}: ask both the same")
    columns = tuple(a.items[0].scores)
    first, second = (np.array([[item.scores[name] for name in columns] for item in one.items]) for one in (a, b))
    with np.errstate(over="ignore", invalid="ignore"):
        found = compare(first, second, _figures(a, columns), samples=samples)
    return {name: one for name, one in found.items() if math.isfinite(one.difference.value)}


def _figures(result: TaskResult, columns: tuple[str, ...]) -> Mapping[str, Figure]:
    """How each figure of a task follows from its columns' sums (S, k)."""
    items = float(len(result.items))
    place = {name: columns.index(name) for name in columns}

    def mean(sums: Floats, name: str) -> Floats:
        return sums[:, place[name]] / items

    def nats(sums: Floats, of: str) -> Floats:
        return -sums[:, place["log_likelihood"]] / sums[:, place[of]]

    found: dict[str, Figure] = {
        "perplexity": lambda sums: np.exp(-mean(sums, "log_likelihood")),
        "word_perplexity": lambda sums: np.exp(nats(sums, "words")),
        "byte_perplexity": lambda sums: np.exp(nats(sums, "bytes")),
        "bits_per_byte": lambda sums: nats(sums, "bytes") / math.log(2),
    }
    return {name: found.get(name, partial(mean, name=name)) for name in result.figures}

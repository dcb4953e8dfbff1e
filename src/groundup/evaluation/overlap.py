"""Generated texts against references: BLEU and chrF by sacrebleu, ROUGE, exact match; distinct-n and repetition of the texts alone.

Each text's row of sums comes from sacrebleu itself, so that its corpus scores, their intervals and paired tests are of one counting.
Of chrF it gives such sums nowhere in public, so both come from the methods that its own metrics share, and that its bootstrap uses.
BLEU and chrF are from 0 to 100, as sacrebleu gives them; all else from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError, MissingExtraError
from groundup.evaluation.diversity import distinct, mean_repetition
from groundup.evaluation.intervals import Interval, Paired, mean_share, paired, proportion
from groundup.evaluation.rouge import KINDS, rouge
from groundup.evaluation.totals import Figure, Floats, compare, intervals_of

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

CORPUS = ("bleu", "chrf")
MEANS = ("exact_match", *KINDS)
OVERLAP = (*CORPUS, *MEANS)
"""The figures that need references."""


@dataclass(frozen=True)
class Overlap:
    """What some texts share with their references, item by item."""

    texts: Sequence[str]
    sums: Mapping[str, Floats]
    """For `bleu` and `chrf`, (n, k): what each item adds to sacrebleu's sums."""
    items: Mapping[str, Floats]
    """For exact match and the F1 of each ROUGE, (n,)."""
    figures: Mapping[str, Figure]
    """How `bleu` and `chrf` follow from sums."""
    signatures: Mapping[str, str]
    """sacrebleu's own words on how each was computed."""

    def intervals(self) -> dict[str, Interval]:
        """Every figure, with its interval over the items."""
        found = {name: intervals_of(self.sums[name], {name: self.figures[name]})[name] for name in CORPUS}
        found |= {name: mean_share(values) for name, values in self.items.items()}
        found["exact_match"] = proportion(int(self.items["exact_match"].sum()), len(self.texts))
        alone = {
            "distinct_1": distinct(self.texts, 1),
            "distinct_2": distinct(self.texts, 2),
            "repetition": mean_repetition(self.texts),
        }
        return found | {name: interval for name, interval in alone.items() if interval is not None}

    def against(self, other: Overlap, samples: int = 10_000) -> dict[str, Paired]:
        """Two models' texts to the same references: each figure's difference and p, dealing each item's two texts out at random."""
        found = {
            name: compare(self.sums[name], other.sums[name], {name: self.figures[name]}, samples=samples)[name]
            for name in CORPUS
        }
        return found | {name: paired(values, other.items[name], samples=samples) for name, values in self.items.items()}


def overlap(texts: Sequence[str], references: Sequence[Sequence[str]]) -> Overlap:
    """Measure texts against one or more references each. A text that matches exactly is one of them, but for space around it.

    Raises `DataError` where there are not as many of both, where there are none, or an item has no reference, `MissingExtraError`
    without sacrebleu.
    """
    if len(texts) != len(references):
        raise DataError(
            f"there are {len(texts):,} texts and references for {len(references):,}: each text needs its own, in the same order"
        )
    if not texts:
        raise DataError("there is no text to compare with a reference: give at least one")
    lacking = next((number for number, each in enumerate(references, 1) if not each), None)
    if lacking is not None:
        raise DataError(f"item {lacking} has no reference: give at least one, or leave the item out")
    if not any(reference.strip() for each in references for reference in each):
        raise DataError("every reference is empty, so there is nothing to compare with: look at the references' file")
    metrics = _sacrebleu()
    streams: Any = [  # None where an item has fewer references than others
        [each[place] if place < len(each) else None for each in references]
        for place in range(max(map(len, references)))
    ]
    sums = {
        name: np.array(metric._extract_corpus_statistics(list(texts), streams), np.float64)
        for name, metric in metrics.items()
    }
    shared = [rouge(text, each) for text, each in zip(texts, references, strict=True)]
    exact = [
        text.strip() in [reference.strip() for reference in each] for text, each in zip(texts, references, strict=True)
    ]
    items = {
        "exact_match": np.array(exact, np.float64),
        **{kind: np.array([each[kind].f1 for each in shared]) for kind in KINDS},
    }
    figures = {name: _figure(metric) for name, metric in metrics.items()}
    signatures = {name: str(metric.get_signature()) for name, metric in metrics.items()}
    return Overlap(texts, sums, items, figures, signatures)


def _sacrebleu() -> dict[str, Metric]:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ModuleNotFoundError as error:
        raise MissingExtraError("BLEU and chrF", "metrics") from error
    return {"bleu": BLEU(), "chrf": CHRF()}


def _figure(metric: Metric) -> Figure:
    def figure(sums: Floats) -> NDArray[np.float64]:
        return np.array([_score(metric, row) for row in sums])

    return figure


def _score(metric: Any, sums: Floats) -> float:
    return float(metric._compute_score_from_stats(sums.tolist()).score)

"""How well a model predicts, document by document: loss, perplexity, bits per byte, accuracy, calibration, with their intervals.

A row of `Predicted` is a document's share of the sums that every figure is made of. So a figure is one over all tokens, not a mean of the
documents' means, and its interval says how it would be over other documents of the kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.intervals import Interval
from groundup.evaluation.totals import Figure, intervals_of
from groundup.language_model.token_losses import Predictions

BINS = 15
"""Of confidence, equally wide, as in Guo et al. 2017."""
FEWEST_DOCUMENTS = 20
STRETCHES = 100
Floats = NDArray[np.float64]

_NATS, _TOKENS, _BYTES, _COUNTED = 0, 1, 2, 3
_CONFIDENCE, _RIGHT = _COUNTED + BINS, _COUNTED + 2 * BINS
_COLUMNS = _COUNTED + 3 * BINS


@dataclass(frozen=True)
class Predicted:
    """The sums of each document, or of each stretch where there are few documents."""

    rows: Floats
    """(U, 3 + 3 · BINS): nats, tokens, UTF-8 bytes, then for each bin of confidence tokens, summed confidence, tokens guessed right."""
    unit: str
    """What a row is: "documents", "stretches" or "rows"."""

    def intervals(self, names: Sequence[str]) -> dict[str, Interval]:
        """The figures asked for; of a text whose bytes aren't known, no bits per byte."""
        wanted = [name for name in names if name in FIGURES and (name != "bits_per_byte" or self.rows[:, _BYTES].any())]
        return intervals_of(self.rows, {name: FIGURES[name] for name in wanted})

    def of(self, chosen: NDArray[np.bool_]) -> Predicted:
        """Those of some documents only."""
        return Predicted(self.rows[chosen], self.unit)

    def as_plain(self, names: Sequence[str]) -> dict[str, Any]:
        """The figures asked for, their intervals, and with the calibration error its bins, as JSON values."""
        intervals = {name: interval.as_plain() for name, interval in self.intervals(names).items()}
        plain: dict[str, Any] = {name: intervals[name]["value"] if name in intervals else None for name in names}
        plain |= {"intervals": intervals, "unit": self.unit}
        return plain | ({"calibration": self.calibration()} if "calibration_error" in names else {})

    @property
    def num_tokens(self) -> int:
        """Tokens that were predicted."""
        return round(float(self.rows[:, _TOKENS].sum()))

    @property
    def num_bytes(self) -> float:
        """UTF-8 bytes that they stand for."""
        return float(self.rows[:, _BYTES].sum())

    def calibration(self) -> list[dict[str, Any]]:
        """Of each bin of confidence that has tokens: its bounds, tokens, mean confidence, and the share that was right."""
        sums = self.rows.sum(0)
        counted, confidence, right = sums[_COUNTED:_CONFIDENCE], sums[_CONFIDENCE:_RIGHT], sums[_RIGHT:]
        return [
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "tokens": round(counted[number]),
                "confidence": float(confidence[number] / counted[number]),
                "accuracy": float(right[number] / counted[number]),
            }
            for number in np.flatnonzero(counted).tolist()
        ]


def predicted(predictions: Predictions, ends: NDArray[np.int64], token_bytes: Floats, unit: str) -> Predicted:
    """The rows of N predicted tokens, cut at `ends` (U,), the last of which is N; `token_bytes` (N,): what each stands for."""
    if not len(predictions.losses):
        return Predicted(np.zeros((0, _COLUMNS)), unit)
    owner = np.searchsorted(ends, np.arange(len(predictions.losses)), side="right")
    rows = np.zeros((len(ends), _COLUMNS))
    rows[:, _NATS] = np.bincount(owner, predictions.losses.astype(np.float64), len(ends))
    rows[:, _TOKENS] = np.bincount(owner, minlength=len(ends))
    rows[:, _BYTES] = np.bincount(owner, token_bytes, len(ends))
    bins = np.minimum((predictions.confidences * BINS).astype(np.int64), BINS - 1)
    place, size = owner * BINS + bins, len(ends) * BINS
    for start, weights in ((_COUNTED, None), (_CONFIDENCE, predictions.confidences), (_RIGHT, predictions.right)):
        rows[:, start : start + BINS] = np.bincount(place, weights, size).reshape(-1, BINS)
    return Predicted(rows, unit)


def cut(ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
    """Where to cut documents that end at `ends` (D,): there, or, of fewer than `FEWEST_DOCUMENTS`, into stretches as well.

    Stretches are about equally long, `STRETCHES` in all, or fewer of a text that has fewer tokens. They are no documents: the interval
    says how the figure would be over other parts of these, not over others.
    """
    if len(ends) >= FEWEST_DOCUMENTS or not len(ends):
        return ends, "documents"
    length = max(1, math.ceil(int(ends[-1]) / STRETCHES))
    pieces = [
        np.linspace(begin, end, max(1, round((end - begin) / length)) + 1).round().astype(np.int64)[1:]
        for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    ]
    return np.concatenate(pieces), "stretches"


def _loss(sums: Floats) -> Floats:
    return sums[:, _NATS] / sums[:, _TOKENS]


def _perplexity(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.exp(_loss(sums))


def _bits_per_byte(sums: Floats) -> Floats:
    return sums[:, _NATS] / math.log(2) / sums[:, _BYTES]


def _accuracy(sums: Floats) -> Floats:
    """The share of tokens that the model would have written itself, taking the likeliest."""
    share: Floats = sums[:, _RIGHT:].sum(1) / sums[:, _TOKENS]
    return share


def _calibration_error(sums: Floats) -> Floats:
    """How far confidence is from accuracy, over the tokens of each bin: expected calibration error (Naeini et al. 2015; Guo et al. 2017,
    equation 3) of the likeliest next token."""
    apart: Floats = np.abs(sums[:, _RIGHT:] - sums[:, _CONFIDENCE:_RIGHT]).sum(1) / sums[:, _TOKENS]
    return apart


FIGURES: dict[str, Figure] = {
    "loss": _loss,
    "perplexity": _perplexity,
    "bits_per_byte": _bits_per_byte,
    "accuracy": _accuracy,
    "calibration_error": _calibration_error,
}

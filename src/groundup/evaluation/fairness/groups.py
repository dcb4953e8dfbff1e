"""Groups held against their axis: what is measured of each on the same templates, and whether chance would explain that they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.audit_result import Figure
from groundup.evaluation.intervals import Interval, Paired, holm, paired

SIGNIFICANT = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """One group of one axis."""

    labels: Mapping[str, str]
    """What it is of: language, axis, group, what was measured."""
    found: Paired
    """The group's figure (a), its axis' (b), and the difference; rows are templates."""
    adjusted_p: float
    """Holm's, over all groups that were tested with it."""

    @property
    def differs(self) -> bool:
        """Whether chance is an unlikely explanation, all tests together."""
        return self.adjusted_p < SIGNIFICANT

    def as_row(self) -> dict[str, Figure]:
        """A row of a table."""
        return {
            **self.labels,
            "group_mean": self.found.a,
            "difference": self.found.difference,
            "p": self.found.p,
            "p_holm": self.adjusted_p,
        }


def compare_groups(measured: Sequence[tuple[Mapping[str, str], Mapping[str, Floats]]], seed: int) -> list[Gap]:
    """The gaps of all groups of several axes, each given as (labels, group -> (n,) one figure a template, the same for each group).

    A group's difference is from the mean over all groups of its axis, template by template: what a template favours, it favours for
    all, and falls out. The interval resamples templates; p flips signs of whole templates; Holm (1979) is over all groups of all axes.
    """
    tests: list[tuple[Mapping[str, str], Paired]] = []
    for labels, groups in measured:
        mean = np.mean(np.stack(list(groups.values())), axis=0)
        tests += [({**labels, "group": name}, paired(values, mean, seed=seed)) for name, values in groups.items()]
    adjusted = holm([test.p for _, test in tests])
    return [Gap(labels, test, p) for (labels, test), p in zip(tests, adjusted, strict=True)]


def widest(gaps: Sequence[Gap]) -> Interval:
    """The difference that is furthest from none."""
    return max((gap.found.difference for gap in gaps), key=lambda difference: abs(difference.value))

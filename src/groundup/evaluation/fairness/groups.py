"""Groups held against their axis: what is measured of each on the same templates, and whether chance would explain that they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.audit_result import Figure
from groundup.evaluation.intervals import Interval, Paired, bootstrap, holm

SIGNIFICANT = 0.05
SAMPLES = 10_000
"""Ways of dealing out that are tried."""

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
    least_p: float
    """The smallest p that so few templates could have given."""

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
    all, and falls out. The interval resamples templates; p is that of `chances`; Holm (1979) is over all groups of all axes.
    """
    tests: list[tuple[Mapping[str, str], Paired, float]] = []
    for labels, groups in measured:
        figures = np.stack(list(groups.values()))
        mean = figures.mean(axis=0)
        differences = figures - mean
        least = max((2 if len(figures) == 2 else 1) / len(figures) ** len(mean), 1 / (1 + SAMPLES))
        for name, row, own, p in zip(groups, figures, differences, chances(differences, seed), strict=True):
            found = Paired(float(row.mean()), float(mean.mean()), bootstrap(own, seed=seed), p)
            tests.append(({**labels, "group": name}, found, least))
    adjusted = holm([test.p for _, test, _ in tests])
    return [Gap(labels, test, p, least) for (labels, test, least), p in zip(tests, adjusted, strict=True)]


def hopeless(gaps: Sequence[Gap]) -> int:
    """Of how many tests no difference, however large, could be told from chance: their templates are too few for so many tests."""
    return sum(gap.least_p * len(gaps) >= SIGNIFICANT for gap in gaps)


def chances(differences: Floats, seed: int, samples: int = SAMPLES) -> list[float]:
    """Of each group's differences from the mean, (groups, n): how often their mean is as large, either way, when each template's figures
    are dealt out among the groups at random (Pitman 1938, of randomized blocks). Of two groups, this is to flip signs.

    If it doesn't matter whom a text is about, each of a template's figures could as well have been any group's. A group is not blamed for
    another that lies far out, as it would be by flipping the signs of its own differences. All ways are tried where they are no more than
    `samples`; else p is (1 + as large) / (1 + samples).
    """
    num_groups, n = differences.shape
    exact = num_groups**n <= samples
    if exact:
        dealt = np.arange(num_groups**n)[:, None] // num_groups ** np.arange(n) % num_groups  # (ways, n): whose it is
    else:
        dealt = np.random.default_rng(seed).integers(0, num_groups, (samples, n))
    means = np.abs(differences[dealt, np.arange(n)].mean(axis=1))
    slack = 1e-12 * max(float(np.abs(differences).max()), 1e-300)  # the same sum in another order is no smaller
    as_large = [int((means >= abs(float(own.mean())) - slack).sum()) for own in differences]
    return [count / len(means) if exact else (1 + count) / (1 + len(means)) for count in as_large]


def widest(gaps: Sequence[Gap]) -> Interval:
    """The difference that is furthest from none."""
    return max((gap.found.difference for gap in gaps), key=lambda difference: abs(difference.value))

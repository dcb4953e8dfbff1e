"""How good a guard is on labelled texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from groundup.errors import NO_VALUE, SettingError
from groundup.serving.guard.guard import Guard
from groundup.serving.guard.labelled import Labelled
from groundup.serving.guard.settings import Side

Z = 1.96  # of a normal distribution: 95 % lie within so many standard deviations


@dataclass(frozen=True)
class Score:
    """Texts with the label 1 or 0 in which something was found or not."""

    found_rightly: int
    found_wrongly: int
    missed: int
    left_rightly: int

    @property
    def precision(self) -> float | None:
        """Of the texts in which something was found, the share with label 1; None if nothing was."""
        return _share(self.found_rightly, self.found_rightly + self.found_wrongly)

    @property
    def recall(self) -> float | None:
        """Of the texts with label 1, the share in which something was found; None if there are none."""
        return _share(self.found_rightly, self.found_rightly + self.missed)

    @property
    def false_alarms(self) -> float | None:
        """Of the texts with label 0, the share in which something was found: what users will see, however rare the other label is."""
        return _share(self.found_wrongly, self.found_wrongly + self.left_rightly)

    def figures(self) -> dict[str, float | int | list[float] | None]:
        """All of it, with 95 % intervals, for a table or JSON."""
        positive, negative = self.found_rightly + self.missed, self.found_wrongly + self.left_rightly
        return {
            "texts_with_label_1": positive,
            "texts_with_label_0": negative,
            "found_rightly": self.found_rightly,
            "found_wrongly": self.found_wrongly,
            "precision": self.precision,
            "precision_interval": interval(self.found_rightly, self.found_rightly + self.found_wrongly),
            "recall": self.recall,
            "recall_interval": interval(self.found_rightly, positive),
            "false_alarms": self.false_alarms,
            "false_alarms_interval": interval(self.found_wrongly, negative),
        }


def measure(guard: Guard, rows: Sequence[Labelled], side: Side) -> dict[str, Score]:
    """For each check that is switched on for the side, and for all of them together (`any`), how its finds agree with the labels.

    Raises `SettingError` where none is.
    """
    if not guard.check_names(side):
        raise SettingError(
            side, NO_VALUE, f"no check is switched on for this side: write one below [{side}], or measure the other"
        )
    found = [guard.checks_that_find(side, row.text) for row in rows]
    names: list[str] = [*guard.check_names(side), "any"]
    return {
        name: _score([bool(each) if name == "any" else name in each for each in found], [row.label for row in rows])
        for name in names
    }


def interval(count: int, total: int) -> list[float] | None:
    """Wilson's 95 % interval of a share (Wilson 1927); None for a share of nothing."""
    if not total:
        return None
    share = count / total
    middle = share + Z**2 / (2 * total)
    reach = Z * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    whole = 1 + Z**2 / total
    return [max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)]


def _score(found: Sequence[bool], labels: Sequence[bool]) -> Score:
    pairs = list(zip(found, labels, strict=True))
    return Score(*(pairs.count(pair) for pair in [(True, True), (True, False), (False, True), (False, False)]))


def _share(count: int, total: int) -> float | None:
    return count / total if total else None

"""What an audit found: figures with their intervals, tables of them, and what they do not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundup.evaluation.intervals import Interval

Figure = Interval | float | int | str | bool | None


@dataclass(frozen=True)
class AuditResult:
    """One audit of one model."""

    figures: Mapping[str, Figure]
    """What was measured, by name."""
    cannot_say: str
    """One sentence: what these numbers do not show."""
    tables: Mapping[str, Sequence[Mapping[str, Figure]]] = field(default_factory=dict)
    """The same by group, prefix length, and the like: a list of rows for each name."""

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it; an interval is `{"value", "low", "high", "n"}`."""
        return {
            "figures": {name: _plain(figure) for name, figure in self.figures.items()},
            "tables": {
                name: [{column: _plain(figure) for column, figure in row.items()} for row in rows]
                for name, rows in self.tables.items()
            },
            "cannot_say": self.cannot_say,
        }


def _plain(figure: Figure) -> Any:
    return figure.as_plain() if isinstance(figure, Interval) else figure

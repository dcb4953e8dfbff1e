"""How well findings fit what is there.

An entity counts as found when findings of its kind cover at least nine tenths of its letters and digits: what is left over could
still be read by whoever trains on it. A finding counts as right when at least half of it is an entity of its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

COVERED = 0.9
RIGHT = 0.5


class Span(Protocol):
    """Anything with a kind and a place; findings and entities both are."""

    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass
class Score:
    """Counts by kind, and by form of the entities."""

    entities: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    forms: dict[str, list[int]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, text: str, entities: Sequence[Any], findings: Sequence[Span]) -> None:
        """Count one text."""
        for entity in entities:
            letters = [index for index in range(entity.start, entity.end) if text[index].isalnum()]
            covered = _covered(letters, (finding for finding in findings if finding.kind == entity.kind))
            whole = covered >= COVERED * len(letters)
            self.entities[entity.kind] += 1
            self.found[entity.kind] += whole
            form = self.forms.setdefault(f"{entity.kind}/{entity.form}", [0, 0])
            form[0] += 1
            form[1] += whole
            if not whole:
                self.missed.append(
                    f"{entity.form}: {text[max(0, entity.start - 40) : entity.start]}[{text[entity.start : entity.end]}]{text[entity.end : entity.end + 20]}"
                )
        for finding in findings:
            letters = [index for index in range(finding.start, finding.end) if text[index].isalnum()]
            right = _covered(letters, (entity for entity in entities if entity.kind == finding.kind)) >= RIGHT * len(
                letters
            )
            self.findings[finding.kind] += 1
            self.right[finding.kind] += right
            if not right:
                self.wrong.append(
                    f"{finding.kind}: {text[max(0, finding.start - 40) : finding.start]}[{text[finding.start : finding.end]}]{text[finding.end : finding.end + 20]}"
                )

    def rows(self) -> list[dict[str, Any]]:
        """A row for each kind: how many, recall, precision."""
        return [
            {
                "kind": kind,
                "entities": self.entities[kind],
                "recall": _share(self.found[kind], self.entities[kind]),
                "findings": self.findings[kind],
                "precision": _share(self.right[kind], self.findings[kind]),
            }
            for kind in sorted({*self.entities, *self.findings})
        ]

    def form_rows(self) -> list[dict[str, Any]]:
        """A row for each form of the entities: how many, recall."""
        return [
            {"form": form, "entities": count, "recall": _share(found, count)}
            for form, (count, found) in sorted(self.forms.items())
        ]


def _covered(places: list[int], spans: Iterable[Span]) -> int:
    spans = list(spans)
    return sum(any(span.start <= place < span.end for span in spans) for place in places)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None

"""What happened to documents, in numbers and with examples: nothing is changed or dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from groundup.text.document import Document

EXAMPLES = 3
EXCERPT = 160
_pictures = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {0x7F: 0x2421}

Show = Callable[[str, int, int], str]
"""What an example may show of a text from one place to another, `text[start:end]` or less."""


def show_all(text: str, start: int, end: int) -> str:
    """The stretch as it is."""
    return text[start:end]


@dataclass
class Tally:
    """Counts of documents and why they changed or went, to be added up over shards."""

    documents: int = 0
    """Read."""
    characters: int = 0
    kept: int = 0
    kept_characters: int = 0
    left: dict[str, list[int]] = field(default_factory=dict)
    """After each step in turn, how many documents were left, and of how many characters."""
    changed: Counter[str] = field(default_factory=Counter)
    """How many documents each kind of change was made in."""
    dropped: Counter[str] = field(default_factory=Counter)
    """How many documents were dropped for each reason."""
    personal_data: Counter[str] = field(default_factory=Counter)
    """How many pieces of personal data of each kind were found."""
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """For each change and reason the first few documents: id, source, detail, and what their text begins with."""
    removed: list[dict[str, str]] = field(default_factory=list)
    """Every document that was dropped: id, source, reason, detail. It is written down with its shard and isn't added up."""
    show: Show = field(default=show_all, repr=False, compare=False)
    """What examples show of a text: where personal data is taken out, they must not keep it."""

    def change(self, what: str, document: Document, after: str = "", detail: str = "") -> None:
        """One kind of change was made in a document; `after` is the text that came of it, if that is to be shown."""
        self.changed[what] += 1
        shown = partial(self._difference, document.text, after) if after else str
        self._example(what, document.id, document.source, detail, shown)

    def drop(self, reason: str, document_id: str, source: str, text: str, detail: str = "") -> None:
        """A document was dropped."""
        self.dropped[reason] += 1
        self.removed.append({"id": document_id, "source": source, "reason": reason, "detail": detail})
        self._example(reason, document_id, source, detail, partial(self._beginning, text))

    def leave(self, step: str, characters: int) -> None:
        """A document was still there after a step."""
        left = self.left.setdefault(step, [0, 0])
        left[0] += 1
        left[1] += characters

    def add(self, other: Tally) -> None:
        """Count another's in, too. Examples stay the first few, in the order of adding."""
        for name in ("documents", "characters", "kept", "kept_characters"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("changed", "dropped", "personal_data"):
            getattr(self, name).update(getattr(other, name))
        for step, (documents, characters) in other.left.items():
            mine_left = self.left.setdefault(step, [0, 0])
            mine_left[0] += documents
            mine_left[1] += characters
        for what, examples in other.examples.items():
            mine = self.examples.setdefault(what, [])
            mine += examples[: EXAMPLES - len(mine)]

    def as_plain(self) -> dict[str, Any]:
        """As JSON values, `removed` and `show` left out."""
        values = {key: value for key, value in vars(self).items() if key not in ("removed", "show")}
        return {key: dict(value) if isinstance(value, Counter) else value for key, value in values.items()}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Tally:
        """What `as_plain` gave."""
        return cls(
            documents=int(values["documents"]),
            characters=int(values["characters"]),
            kept=int(values["kept"]),
            kept_characters=int(values["kept_characters"]),
            left=dict(values["left"]),
            changed=Counter(values["changed"]),
            dropped=Counter(values["dropped"]),
            personal_data=Counter(values["personal_data"]),
            examples=dict(values["examples"]),
        )

    def _example(self, what: str, document_id: str, source: str, detail: str, text: Callable[[], str]) -> None:
        examples = self.examples.setdefault(what, [])
        if len(examples) < EXAMPLES:
            examples.append({"id": document_id, "source": source, "detail": detail, "text": text()})

    def _beginning(self, text: str) -> str:
        return _one_line(self.show(text, 0, EXCERPT * 2))[:EXCERPT]

    def _difference(self, before: str, after: str) -> str:
        """Where two texts begin to differ, as `before → after`."""
        pairs = enumerate(zip(before, after, strict=False))
        same = next((place for place, (a, b) in pairs if a != b), min(len(before), len(after)))
        start, end = max(0, same - 20), same + 50
        return f"{_one_line(self.show(before, start, end))} → {_one_line(self.show(after, start, end))}"


def _one_line(text: str) -> str:
    """On one line, and control characters as pictures: the page shows what was removed, and is no binary file."""
    return " ".join(text.translate(_pictures).split())

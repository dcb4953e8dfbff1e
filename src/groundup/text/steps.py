"""What is done to one document after the other, each on its own: a function of its text and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from groundup.text.document import Document
from groundup.text.settings import DataSettings
from groundup.text.tally import Tally


class Steps:
    """The steps that the settings ask for, with what they need to have at hand (made once for each process)."""

    def __init__(self, settings: DataSettings, folder: Path) -> None:
        self.settings = settings

    def run(self, documents: Sequence[Document]) -> tuple[list[Document], Tally]:
        """The documents that stay, as they are now, and what happened."""
        tally, kept = Tally(), []
        for document in documents:
            tally.documents += 1
            tally.characters += len(document.text)
            for repair in document.repairs:
                tally.change(repair, document.id, document.source, document.text)
            done = self._one(replace(document, repairs=()), tally)
            if done is not None:
                tally.kept += 1
                tally.kept_characters += len(done.text)
                kept.append(done)
        return kept, tally

    def _one(self, document: Document, tally: Tally) -> Document | None:
        return document


def needs_work(settings: DataSettings) -> bool:
    """Whether the settings ask for anything that is worth several processes."""
    return False

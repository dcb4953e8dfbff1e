"""What is done to one document after the other, each on its own: a function of its text and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.text.cache import cache_directory
from groundup.text.cleaning.document import clean
from groundup.text.cleaning.settings import CleaningSettings, QualitySettings
from groundup.text.document import Document
from groundup.text.duplicates.contamination import Contamination
from groundup.text.duplicates.signatures import signature
from groundup.text.privacy.pseudonyms import read_key
from groundup.text.privacy.scrub import scrub, without_personal_data
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.text.tally import Tally

PERSONAL_DATA = "personal data"


class Steps:
    """The steps that the settings ask for, with what they need to have at hand (made once for each process)."""

    def __init__(self, settings: DataSettings, folder: Path) -> None:
        self.settings = settings
        self.contamination: Contamination | None = None
        if settings.decontamination.files:
            files = replace(settings, source=settings.decontamination.files)
            tests = read_documents(files, cache_directory(), lambda line: None, folder)
            self.contamination = Contamination.from_texts((test.text for test in tests), settings.decontamination)
        privacy = settings.privacy
        self.key = read_key(privacy.key_variable) if privacy.mode == "pseudonym" else b""

    def run(self, documents: Sequence[Document]) -> tuple[list[Document], Tally]:
        """The documents that stay, as they are now, and what happened."""
        tally, kept = Tally(show=self._shown), []
        for document in documents:
            tally.documents += 1
            tally.characters += len(document.text)
            for repair in document.repairs:
                tally.change(repair, document)
            done = self._one(replace(document, repairs=()), tally)
            if done is not None:
                tally.kept += 1
                tally.kept_characters += len(done.text)
                kept.append(done)
        return kept, tally

    def signatures(self, documents: Sequence[Document]) -> NDArray[Any] | None:
        """(documents, permutations) for near-duplicates, if those are looked for."""
        settings = self.settings.duplicates
        if settings.near == "off":
            return None
        rows = [signature(document.text, settings) for document in documents]
        return np.stack(rows) if rows else np.zeros((0, settings.num_permutations), np.uint32)

    def _one(self, document: Document, tally: Tally) -> Document | None:
        for step in (self._clean, self._compare, self._scrub):
            done = step(document, tally)
            if done is None:
                return None
            if not done.text:
                tally.drop("nothing left", document.id, document.source, document.text)
                return None
            document = done
        return document

    def _clean(self, document: Document, tally: Tally) -> Document | None:
        """Mended, and held to the rules and languages that are asked for."""
        said_language = document.metadata.get("language", "")
        cleaned = clean(document.text, self.settings.cleaning, self.settings.quality, said_language)
        for change, places in cleaned.changes.items():
            tally.change(change, document, cleaned.text, f"in {places:,} place{'s' if places != 1 else ''}")
        for rule, lines in cleaned.removed_lines.items():
            tally.change(f"lines removed: {rule}", document, cleaned.text, f"{lines:,} line{'s' if lines != 1 else ''}")
        if cleaned.fault is not None:
            tally.drop(cleaned.fault.rule, document.id, document.source, document.text, cleaned.fault.reason)
            return None
        known = {} if cleaned.language is None else {"language": cleaned.language.code}
        return replace(document, text=cleaned.text, metadata={**known, **document.metadata})

    def _compare(self, document: Document, tally: Tally) -> Document | None:
        """Dropped if it holds evaluation text."""
        if self.contamination is None:
            return document
        overlap = self.contamination.overlap(document.text)
        if not self.contamination.contaminates(overlap):
            return document
        detail = f"{overlap.share:.0%} of its words stand in evaluation text, e.g. {overlap.example!r}"
        tally.drop("evaluation text", document.id, document.source, document.text, detail)
        return None

    def _shown(self, text: str, start: int, end: int) -> str:
        """What an example shows of a text: no personal data if that is taken out, whatever step the example is of."""
        if self.settings.privacy.mode == "none":
            return text[start:end]
        return without_personal_data(text, start, end, self.settings.privacy)

    def _scrub(self, document: Document, tally: Tally) -> Document | None:
        """Without personal data, or dropped for it."""
        if self.settings.privacy.mode == "none":
            return document
        scrubbed = scrub(document.text, self.settings.privacy, self.key)
        if not scrubbed.counts:
            return document
        tally.personal_data.update(scrubbed.counts)
        found = ", ".join(f"{count} {kind}" for kind, count in scrubbed.counts.items())
        if scrubbed.drop:
            tally.drop(PERSONAL_DATA, document.id, document.source, "", found)
            return None
        tally.change(PERSONAL_DATA, document, detail=found)
        return replace(document, text=scrubbed.text)


def needs_work(settings: DataSettings) -> bool:
    """Whether the settings ask for anything that is worth several processes."""
    return (
        settings.cleaning != CleaningSettings()
        or settings.quality != QualitySettings()
        or settings.duplicates.near != "off"
        or bool(settings.decontamination.files)
        or settings.privacy.mode != "none"
    )

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
from groundup.text.cleaning.normalization import normalize
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
MENDED, LANGUAGES, RULES = "mended", "in the languages to keep", "kept by the rules"
WITHOUT_EVALUATION_TEXT, WITHOUT_PERSONAL_DATA = "without evaluation text", "without personal data"
IN_ORDER = (MENDED, LANGUAGES, RULES, WITHOUT_EVALUATION_TEXT, WITHOUT_PERSONAL_DATA)


class Steps:
    """The steps that the settings ask for, with what they need to have at hand (made once for each process)."""

    def __init__(self, settings: DataSettings, folder: Path) -> None:
        self.settings = settings
        self.said: list[str] = []
        """What a person is to be told of the evaluation texts."""
        self.contamination = self._evaluation_texts(folder) if settings.decontamination.files else None
        privacy = settings.privacy
        self.key = read_key(privacy.key_variable) if privacy.mode == "pseudonym" else b""
        self.hiding = replace(privacy, mode="none" if privacy.mode == "none" else "placeholder")

    def _evaluation_texts(self, folder: Path) -> Contamination:
        """Evaluation texts, mended as documents are before they are compared with them."""
        wanted = self.settings.decontamination
        files = replace(self.settings, source=wanted.files)
        tests = read_documents(files, cache_directory(), self._say_of_evaluation, folder, every_text=True)
        texts = (normalize(test.text, self.settings.cleaning).text for test in tests)
        found = Contamination.from_texts(texts, wanted)
        if found.too_short:
            have = "has" if found.too_short == 1 else "have"
            self._say_of_evaluation(
                f"{found.too_short:,} of {len(tests):,} {have} fewer than {wanted.shortest_words} words and "
                f"{'is' if found.too_short == 1 else 'are'} not looked for (data.decontamination.shortest_words)"
            )
        return found

    def _say_of_evaluation(self, line: str) -> None:
        of_one_before = line.startswith(" ")
        self.said.append(line if of_one_before else f"warning: evaluation texts: {line.removeprefix('warning: ')}")

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

    def _hide(self, text: str) -> str:
        return scrub(text, self.hiding).text

    def _one(self, document: Document, tally: Tally) -> Document | None:
        for step, name in (
            (self._clean, RULES),
            (self._compare, WITHOUT_EVALUATION_TEXT),
            (self._scrub, WITHOUT_PERSONAL_DATA),
        ):
            done = step(document, tally)
            if done is None:
                return None
            if not done.text:
                tally.drop("nothing left", document.id, document.source, document.text)
                return None
            tally.leave(name, len(done.text))
            document = done
        return document

    def _clean(self, document: Document, tally: Tally) -> Document | None:
        """Mended, and held to the rules and languages that are asked for."""
        named_language = document.metadata.get("language", "")
        cleaned = clean(document.text, self.settings.cleaning, self.settings.quality, named_language)
        for change, places in cleaned.changes.items():
            tally.change(change, document, cleaned.text, f"in {places:,} place{'s' if places != 1 else ''}")
        for rule, lines in cleaned.removed_lines.items():
            tally.change(f"lines removed: {rule}", document, cleaned.text, f"{lines:,} line{'s' if lines != 1 else ''}")
        tally.leave(MENDED, cleaned.mended_characters)
        if cleaned.fault is None or not cleaned.fault.rule.startswith("cleaning."):
            tally.leave(LANGUAGES, cleaned.mended_characters)
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
        shown = self._hide(overlap.example)
        detail = f"{overlap.share:.0%} of its words stand in evaluation text, e.g. {shown!r}"
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

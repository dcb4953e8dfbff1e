"""One document through all of cleaning: mended, its lines sifted, its language told, and kept or dropped for a reason."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.text.cleaning.language import ENGLISH, Language, identify_language, said_language
from groundup.text.cleaning.lines import keep_lines
from groundup.text.cleaning.normalization import normalize
from groundup.text.cleaning.quality import Fault, quality_fault
from groundup.text.cleaning.settings import CleaningSettings, QualitySettings


@dataclass(frozen=True)
class Cleaned:
    """A document after cleaning."""

    text: str
    mended_characters: int
    """How long it was when it was mended, before rules removed lines of it."""
    changes: dict[str, int]
    """What was mended, and in how many places."""
    removed_lines: dict[str, int]
    """How many lines each rule removed."""
    language: Language | None
    """None where no setting asked for it."""
    fault: Fault | None
    """Why it is dropped; None where it is kept."""


def clean(text: str, cleaning: CleaningSettings, quality: QualitySettings, named_language: str = "") -> Cleaned:
    """Mend the text, then decide about it. A pure function of its arguments, for any process to run.

    The language is told only where settings need it; `named_language`, what the document says of itself, is believed. Raises
    `MissingExtraError` when telling needs a package that isn't there.
    """
    normalized = normalize(text, cleaning)
    text = normalized.text
    language = None
    if cleaning.languages or quality.needs_language:
        said = said_language(named_language)
        language = Language(said, 1.0) if said else identify_language(text)
    fault = language_fault(language, cleaning) if language is not None else None
    removed: dict[str, int] = {}
    changes = normalized.changes
    if fault is None and quality.rules:
        if "c4" in quality.rules:
            kept = keep_lines(text, quality.c4)
            text, removed = kept.text, kept.removed
            if kept.citation_markers:
                changes = {**changes, "citation markers removed (c4.citation_markers)": kept.citation_markers}
        fault = quality_fault(text, quality, language.code if language is not None else ENGLISH)
    return Cleaned(text, len(normalized.text), changes, removed, language, fault)


def language_fault(language: Language, settings: CleaningSettings) -> Fault | None:
    """Why a document in this language isn't kept, or None. With no list of languages all are kept."""
    if not settings.languages:
        return None
    wanted = ", ".join(settings.languages)
    if language.code not in settings.languages:
        reason = f"its language is {language.code}, wanted: {wanted} (cleaning.languages)"
        return Fault("cleaning.languages", language.confidence, settings.min_confidence, reason)
    if language.confidence < settings.min_confidence:
        reason = (
            f"its language is {language.code} with a confidence of {language.confidence:.2f}, "
            f"at least {settings.min_confidence:g} wanted (cleaning.min_confidence)"
        )
        return Fault("cleaning.min_confidence", language.confidence, settings.min_confidence, reason)
    return None

"""Which language a text is in, by py3langid (97 languages; its model travels in its package, is no pickle, and needs no network)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from groundup.errors import MissingExtraError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH = "en"
UNDETERMINED = "und"
SAMPLE_CHARACTERS = 200
FEWEST_LETTER_BYTES = 20


@dataclass(frozen=True)
class Language:
    """A language, and how sure of it we are."""

    code: str
    """ISO 639-1, or 639-3 where there is no such code; `und` where it can't be told."""
    confidence: float
    """From 0 to 1, among the languages that are known at all."""


def said_language(named: str) -> str:
    """The code of a language that a document names itself: `en` for `en`, `EN`, `en-US` and `en_GB`.

    Empty for what is no code (`English`): such a document's language is identified.
    """
    code = named.strip().replace("_", "-").partition("-")[0].lower()
    return code if 2 <= len(code) <= 3 and code.isascii() and code.isalpha() else ""


def identify_language(text: str) -> Language:
    """The language that most of the text is in, judged by 200 characters each of its beginning, middle and end.

    Fewer than 20 bytes of letters are `und`. Raises `MissingExtraError` when py3langid isn't installed.
    """
    sample = _sample(text)
    letters = "".join(filter(str.isalpha, sample))
    if len(letters.encode("utf-8", "replace")) < FEWEST_LETTER_BYTES:
        return Language(UNDETERMINED, 0.0)
    code, confidence = _identifier().classify(sample)
    return Language(str(code), min(1.0, float(confidence)))


def require_identifier() -> None:
    """Raise `MissingExtraError` when py3langid isn't installed: now, not after minutes of other work."""
    _identifier()


def _sample(text: str) -> str:
    """At most three stretches, so that neither a foreign title nor a long text's length counts."""
    if len(text) > 3 * SAMPLE_CHARACTERS:
        middle, end = (len(text) - SAMPLE_CHARACTERS) // 2, len(text) - SAMPLE_CHARACTERS
        text = " ".join(text[start : start + SAMPLE_CHARACTERS] for start in (0, middle, end))
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates can't be looked up


@cache
def _identifier() -> LanguageIdentifier:
    """The model, read once in each process: 0.7 s and 83 MB."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ModuleNotFoundError as error:
        raise MissingExtraError("telling languages apart", "data") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""Settings of cleaning: what is mended in each document, which languages are kept, which published rules a document is held to."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from groundup.config import require, require_finite

UnicodeForm = Literal["none", "NFC", "NFKC"]
RuleSet = Literal["gopher", "gopher_repetition", "c4", "fineweb"]
RULE_SETS: tuple[RuleSet, ...] = ("gopher", "gopher_repetition", "c4", "fineweb")


@dataclass(frozen=True)
class CleaningSettings:
    """What is mended in each document, and which languages are kept. Text that is in order stays as it is, byte for byte."""

    unicode_form: UnicodeForm = "none"
    """NFC: one way to write each accented letter; NFKC: full-width letters, ligatures and the like become plain, too; none: as it is."""
    repair_mojibake: bool = False
    """Undo UTF-8 that was read in another encoding (`donâ€™t`, `caf√©`), where all of a line shows it."""
    control_characters: bool = False
    """Remove control characters, terminal escapes and code points that are no characters; line ends become `\\n`."""
    whitespace: bool = False
    """Remove spaces at the ends of lines, and blank lines beyond two in a row."""
    languages: tuple[str, ...] = ()
    """Keep documents in these languages only, by ISO 639-1 code, e.g. en; empty: all. What a document says of itself is believed."""
    min_confidence: float = 0.65
    """How sure of a document's language we must be to keep it by its language, from 0 to 1 (FineWeb's bound for English)."""

    def __post_init__(self) -> None:
        for code in self.languages:
            require(
                len(code) in (2, 3) and code.isascii() and code.isalpha() and code.islower(),
                "data.cleaning.languages",
                code,
                'use ISO 639 codes of two or three small letters, e.g. ["en", "de"]',
            )
        require_finite("data.cleaning.min_confidence", self.min_confidence, maximum=1.0)


@dataclass(frozen=True)
class GopherSettings:
    """Rae et al. 2021, Scaling Language Models (Gopher), appendix A.1.1, quality filtering. 0 switches a rule off."""

    min_words: int = 50
    """Fewest words."""
    max_words: int = 100_000
    """Most words."""
    min_mean_word_length: float = 3.0
    """Shortest mean word length, in characters."""
    max_mean_word_length: float = 10.0
    """Longest mean word length, in characters."""
    max_symbols_per_word: float = 0.1
    """Most hash signs to a word, and most ellipses to a word."""
    max_bullet_lines: float = 0.9
    """Largest share of lines that begin with a bullet."""
    max_ellipsis_lines: float = 0.3
    """Largest share of lines that end with an ellipsis."""
    min_alphabetic_words: float = 0.8
    """Smallest share of words with a letter in them."""
    min_stop_words: int = 2
    """How many of the, be, to, of, and, that, have, with must occur; only English texts are held to it."""

    def __post_init__(self) -> None:
        _check_thresholds(self, "gopher")


@dataclass(frozen=True)
class GopherRepetitionSettings:
    """Rae et al. 2021 (Gopher), table A1: how much of a document may be repetition. 0 switches a rule off."""

    max_duplicate_lines: float = 0.30
    """Largest share of lines that stood there before."""
    max_duplicate_paragraphs: float = 0.30
    """Largest share of paragraphs that stood there before."""
    max_duplicate_line_characters: float = 0.20
    """Largest share of characters in lines that stood there before."""
    max_duplicate_paragraph_characters: float = 0.20
    """Largest share of characters in paragraphs that stood there before."""
    max_top_2_gram: float = 0.20
    """Largest share of characters in the most frequent pair of words."""
    max_top_3_gram: float = 0.18
    """The same for three words."""
    max_top_4_gram: float = 0.16
    """The same for four words."""
    max_duplicate_5_grams: float = 0.15
    """Largest share of characters in stretches of five words that stood there before."""
    max_duplicate_6_grams: float = 0.14
    """The same for six words."""
    max_duplicate_7_grams: float = 0.13
    """The same for seven words."""
    max_duplicate_8_grams: float = 0.12
    """The same for eight words."""
    max_duplicate_9_grams: float = 0.11
    """The same for nine words."""
    max_duplicate_10_grams: float = 0.10
    """The same for ten words."""

    def __post_init__(self) -> None:
        _check_thresholds(self, "gopher_repetition")


@dataclass(frozen=True)
class C4Settings:
    """Raffel et al. 2020, Exploring the Limits of Transfer Learning (T5), section 2.2. Lines go first, then documents."""

    citation_markers: bool = True
    """Remove markers such as `[1]`, `[edit]` and `[citation needed]` from lines, before lines are judged."""
    end_marks: bool = True
    """Remove lines that don't end with an end mark or a closing quotation mark."""
    min_words_in_line: int = 3
    """Remove lines with fewer words; 0 keeps them. The paper's first versions say 3 and 5 sentences, its code 5 and 3."""
    max_word_length: int = 1000
    """Remove lines with a longer word, in characters; 0 keeps them; from the paper's code."""
    javascript_lines: bool = True
    """Remove lines that name Javascript."""
    policy_lines: bool = True
    """Remove lines on terms of use, privacy and cookies."""
    lorem_ipsum: bool = True
    """Drop documents with `lorem ipsum` in them."""
    curly_brackets: bool = True
    """Drop documents with a `{` in them; most code has one."""
    min_sentences: int = 5
    """Drop documents with fewer sentences left; 0 keeps them."""

    def __post_init__(self) -> None:
        _check_thresholds(self, "c4")


@dataclass(frozen=True)
class FineWebSettings:
    """Penedo et al. 2024, The FineWeb Datasets, section 3, the filters of its own. 0 switches a rule off."""

    min_lines_with_end_marks: float = 0.12
    """Drop documents in which no larger share of lines ends with an end mark."""
    max_duplicate_line_characters: float = 0.1
    """Drop documents with at least this share of characters in lines that stood there before; the released code says 0.01."""
    max_short_lines: float = 0.67
    """Drop documents with at least this share of short lines."""
    short_line: int = 30
    """A line with fewer characters is short; one of Chinese or Japanese with fewer than a third of them."""

    def __post_init__(self) -> None:
        _check_thresholds(self, "fineweb")


@dataclass(frozen=True)
class QualitySettings:
    """Which published rules a document is held to. None unless asked: a small collection of one's own must not lose text unasked."""

    rules: tuple[RuleSet, ...] = ()
    """The sets of rules to hold documents to: gopher, gopher_repetition, c4, fineweb."""
    gopher: GopherSettings = field(default_factory=GopherSettings)
    """Thresholds of the set gopher."""
    gopher_repetition: GopherRepetitionSettings = field(default_factory=GopherRepetitionSettings)
    """Thresholds of the set gopher_repetition."""
    c4: C4Settings = field(default_factory=C4Settings)
    """Thresholds of the set c4."""
    fineweb: FineWebSettings = field(default_factory=FineWebSettings)
    """Thresholds of the set fineweb."""

    def __post_init__(self) -> None:
        for name in self.rules:
            require(name in RULE_SETS, "data.quality.rules", name, f"use one or more of {', '.join(RULE_SETS)}")
        require(len(set(self.rules)) == len(self.rules), "data.quality.rules", self.rules, "name each set once")

    @property
    def needs_language(self) -> bool:
        """Whether a rule is on that is for English texts alone."""
        return "gopher" in self.rules and self.gopher.min_stop_words > 0


def _check_thresholds(settings: Any, section: str) -> None:
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if not isinstance(value, bool):
            require_finite(f"data.quality.{section}.{entry.name}", value, maximum=1e9)

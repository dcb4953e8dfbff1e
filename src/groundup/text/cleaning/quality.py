"""Whether a document reads like text: rules that were published with the corpora Gopher, C4 and FineWeb were trained on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import ne

import numpy as np

from groundup.text.cleaning import repetition
from groundup.text.cleaning.lines import END_MARKS
from groundup.text.cleaning.settings import (
    C4Settings,
    FineWebSettings,
    GopherRepetitionSettings,
    GopherSettings,
    QualitySettings,
)
from groundup.text.cleaning.words import Words, has_end_marks, letters_are_dense

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
BULLETS = ("•", "‣", "◦", "●", "▪", "·", "-", "*", "–")
ELLIPSES = ("...", "…")
_letter = re.compile(r"[^\W\d_]")
_plain_word = re.compile(r"[a-z]+")
_sentence_end = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s|$)|[。！？؟۔।॥։።។။]+")


@dataclass(frozen=True)
class Fault:
    """The rule that a document breaks."""

    rule: str
    """Its set and its setting, e.g. `gopher.min_words`."""
    measured: float
    threshold: float
    reason: str
    """For a person, e.g. `12 words, at least 50 wanted (gopher.min_words)`."""


def _fault(rule: str, measured: float, threshold: float, words: str) -> Fault:
    bound = "at least" if ".min_" in rule else "at most"
    return Fault(
        rule, measured, threshold, f"{_number(measured)} {words}, {bound} {_number(threshold)} wanted ({rule})"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def quality_fault(text: str, settings: QualitySettings, language: str = "en") -> Fault | None:
    """The first rule that the document breaks, or None.

    `language` is the document's ISO 639-1 code: rules that look for English words hold for `en` only. C4's rules for lines
    (`keep_lines`) come before. An empty text has too few words and sentences, and no other fault.
    """
    words = Words(text)
    for name in settings.rules:
        if name == "gopher":
            faults = _gopher(text, words, settings.gopher, language)
        elif name == "gopher_repetition":
            faults = _gopher_repetition(text, words, settings.gopher_repetition)
        elif name == "c4":
            faults = _c4(text, settings.c4)
        else:
            faults = _fineweb(text, settings.fineweb)
        for fault in faults:
            return fault
    return None


def _below(rule: str, measured: float, threshold: float, words: str) -> Iterator[Fault]:
    if threshold and measured < threshold:
        yield _fault(rule, measured, threshold, words)


def _above(rule: str, measured: float, threshold: float, words: str) -> Iterator[Fault]:
    if threshold and measured > threshold:
        yield _fault(rule, measured, threshold, words)


def _present(rule: str, count: int, words: str) -> Iterator[Fault]:
    if count:
        yield _fault(rule, count, 0, words)


def _gopher(text: str, words: Words, settings: GopherSettings, language: str) -> Iterator[Fault]:
    yield from _below("gopher.min_words", words.count, settings.min_words, "words")
    yield from _above("gopher.max_words", words.count, settings.max_words, "words")
    if not words.count:
        return
    if words.spaced:
        mean = words.characters / words.count
        yield from _below("gopher.min_mean_word_length", mean, settings.min_mean_word_length, "characters a word")
        yield from _above("gopher.max_mean_word_length", mean, settings.max_mean_word_length, "characters a word")
    hashes = text.count("#") / words.count
    ellipses = (text.count("...") + text.count("…")) / words.count
    yield from _above("gopher.max_symbols_per_word", hashes, settings.max_symbols_per_word, "hash signs to a word")
    yield from _above("gopher.max_symbols_per_word", ellipses, settings.max_symbols_per_word, "ellipses to a word")
    lines = [line.strip() for line in text.split("\n") if line and not line.isspace()]
    bullets = sum(line.startswith(BULLETS) for line in lines) / len(lines)
    yield from _above("gopher.max_bullet_lines", bullets, settings.max_bullet_lines, "of the lines begin with a bullet")
    if "..." in text or "…" in text:
        share = sum(line.endswith(ELLIPSES) for line in lines) / len(lines)
        yield from _above(
            "gopher.max_ellipsis_lines", share, settings.max_ellipsis_lines, "of the lines end in an ellipsis"
        )
    share = alphabetic_share(words.units, settings.min_alphabetic_words)
    yield from _below("gopher.min_alphabetic_words", share, settings.min_alphabetic_words, "of the words have a letter")
    if language == "en" and settings.min_stop_words:
        found = stop_words_found(words.units, settings.min_stop_words)
        yield from _below("gopher.min_stop_words", found, settings.min_stop_words, "of eight common English words")


def alphabetic_share(words: list[str], enough: float) -> float:
    """The share of words with a letter in them; where it is `enough` by words that are easily counted, by these only."""
    for some in (map(str.isalpha, words), map(ne, map(str.lower, words), map(str.upper, words))):
        count = sum(some)
        if count >= enough * len(words):
            return count / len(words)
    return sum(_letter.search(word) is not None for word in words) / len(words)


def stop_words_found(words: list[str], enough: int) -> int:
    """How many of the eight stop words occur, in capitals or not; counting ends when there are `enough`."""
    found: set[str] = set()
    for start in range(0, len(words), 1000):
        found.update(STOP_WORDS.intersection(_plain_word.findall(" ".join(words[start : start + 1000]).lower())))
        if len(found) >= enough:
            break
    return len(found)


def _gopher_repetition(text: str, words: Words, settings: GopherRepetitionSettings) -> Iterator[Fault]:
    set_name = "gopher_repetition"
    paragraphs, lines = repetition.paragraphs_of(text), repetition.lines_of(text)
    if not lines:
        return
    number, length = repetition.duplicates(paragraphs)
    for kind, measured, threshold in (
        ("paragraphs", number / len(paragraphs) if paragraphs else 0.0, settings.max_duplicate_paragraphs),
        ("paragraph_characters", length / len(text), settings.max_duplicate_paragraph_characters),
    ):
        yield from _above(f"{set_name}.max_duplicate_{kind}", measured, threshold, "of it in repeated paragraphs")
    number, length = repetition.duplicates(lines)
    for kind, measured, threshold in (
        ("lines", number / len(lines), settings.max_duplicate_lines),
        ("line_characters", length / len(text), settings.max_duplicate_line_characters),
    ):
        yield from _above(f"{set_name}.max_duplicate_{kind}", measured, threshold, "of it in repeated lines")
    units, step = words.units, words.units_in_a_word
    hashes = repetition.word_hashes(units)
    for n in (2, 3, 4):
        threshold = getattr(settings, f"max_top_{n}_gram")
        share = repetition.top_ngram_share(units, hashes, n * step, len(text)) if threshold else 0.0
        yield from _above(f"{set_name}.max_top_{n}_gram", share, threshold, f"of it in one stretch of {n} words")
    lengths = np.fromiter(map(len, units), np.int64, len(units))
    places = None
    for n in range(5, 11):
        places = repetition.repeated_positions(hashes, n * step, places)
        threshold = getattr(settings, f"max_duplicate_{n}_grams")
        if not len(places):
            return
        if threshold and repetition.covered_characters(lengths, n * step, places) > threshold * len(text):
            share = repetition.duplicate_ngram_characters(hashes, lengths, n * step, places) / len(text)
            yield from _above(f"{set_name}.max_duplicate_{n}_grams", share, threshold, f"of it in repeated {n} words")


def _c4(text: str, settings: C4Settings) -> Iterator[Fault]:
    if settings.lorem_ipsum:
        yield from _present("c4.lorem_ipsum", text.lower().count("lorem ipsum"), "times lorem ipsum")
    if settings.curly_brackets:
        yield from _present("c4.curly_brackets", text.count("{"), "curly brackets")
    if settings.min_sentences and has_end_marks(text):
        yield from _below(
            "c4.min_sentences", count_sentences(text, settings.min_sentences), settings.min_sentences, "sentences"
        )


def count_sentences(text: str, enough: int) -> int:
    """How many sentences end in the text: end marks before a space or the text's end, or a line's end without one.

    Counting ends when there are `enough`.
    """
    count = 0
    for line in text.split("\n"):
        if line and not line.isspace():
            ends = len(_sentence_end.findall(line[:10_000] if enough <= 100 else line))
            count += max(1, ends)
            if count >= enough:
                break
    return count


def _fineweb(text: str, settings: FineWebSettings) -> Iterator[Fault]:
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return
    if settings.min_lines_with_end_marks and has_end_marks(text):
        share = sum(line.rstrip().endswith(END_MARKS) for line in lines) / len(lines)
        if share <= settings.min_lines_with_end_marks:
            rule = "fineweb.min_lines_with_end_marks"
            yield _fault(rule, share, settings.min_lines_with_end_marks, "of the lines end with an end mark")
    short = settings.short_line / 3 if letters_are_dense(text) else settings.short_line
    share = sum(len(line) < short for line in lines) / len(lines)
    if settings.max_short_lines and share >= settings.max_short_lines:
        yield _fault("fineweb.max_short_lines", share, settings.max_short_lines, "of the lines are short")
    share = repetition.duplicates(lines)[1] / sum(map(len, lines))
    if settings.max_duplicate_line_characters and share >= settings.max_duplicate_line_characters:
        rule = "fineweb.max_duplicate_line_characters"
        yield _fault(rule, share, settings.max_duplicate_line_characters, "of it in repeated lines")

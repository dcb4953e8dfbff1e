"""Normalization: one document's characters put in order. What is in order stays as it is, byte for byte."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from groundup.text.cleaning.mojibake import repair_mojibake
from groundup.text.cleaning.settings import CleaningSettings

LINE_ENDS = "line ends normalized"
TERMINAL_ESCAPES = "terminal escapes removed"
OVERSTRIKES = "overstrikes removed"
CONTROL_CHARACTERS = "control characters removed"
UNICODE = "Unicode normalized"
WHITESPACE = "whitespace removed"

_line_ends = re.compile("\r\n|[\r\x85]|\n?[\x0b\x0c]+\n?")
# Colours and the cursor, a window's title, the choice of a character set, the keypad (ECMA-48, section 5; xterm's control sequences).
_terminal_escapes = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[()*+][0-9A-Z]|[=>78])")
# Bold and underlined as on a typewriter: what `man` and nroff print.
_overstrikes = re.compile(r"_\x08(?=[^\x00-\x1f])|([^\x00-\x1f])\x08(?=\1)")
# Controls but tab and line feed, byte order marks, interlinear marks, surrogates, and code points that will never be characters.
# What looks invisible but has a meaning stays: joiners, directional marks, soft hyphens, zero-width spaces.
_never_characters = "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)
)
_unwanted = (
    f"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufff9-\ufffb\ufffe\uffff\ufdd0-\ufdef\ud800-\udfff{_never_characters}"
)
_control_characters = re.compile(f"[{_unwanted}]+")
_anything = re.compile(f"[{_unwanted}\x0b-\x0d\x85]")
_spaces_at_line_ends = re.compile("(?<![ \t\u00a0\u3000])[ \t\u00a0\u3000]++(?=\n|$)")  # each run is tried once
_blank_lines = re.compile("\n{4,}")


@dataclass(frozen=True)
class Normalized:
    """A text in order, and what was changed for it."""

    text: str
    changes: dict[str, int]
    """How many places (lines, where mojibake was repaired) each kind of change was made in; empty for a text that was in order."""


def normalize(text: str, settings: CleaningSettings) -> Normalized:
    """The text as the settings want it. Done once or twice, the result is the same.

    Mojibake is repaired first: other steps would take its bytes apart.
    """
    changes: dict[str, int] = {}
    before = None
    while text != before:  # a repair may give characters that are to be normalized, and the other way round
        before = text
        if settings.repair_mojibake:
            text, repaired = repair_mojibake(text)
            for encoding, lines in repaired.items():
                _add(changes, f"mojibake repaired ({encoding})", lines)
        if settings.control_characters:
            text = _remove_control_characters(text, changes)
        if settings.unicode_form != "none" and not unicodedata.is_normalized(settings.unicode_form, text):
            text = unicodedata.normalize(settings.unicode_form, text)
            _add(changes, UNICODE, 1)
        if settings.whitespace:
            text = _remove_whitespace(text, changes)
        if text == before or not changes:
            break
    return Normalized(text, changes)


def _add(changes: dict[str, int], name: str, count: int) -> None:
    if count:
        changes[name] = changes.get(name, 0) + count


def _remove_control_characters(text: str, changes: dict[str, int]) -> str:
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():  # faster than any search
        return text
    if not _anything.search(text):
        return text
    text, count = _line_ends.subn("\n", text)
    _add(changes, LINE_ENDS, count)
    text, count = _terminal_escapes.subn("", text)
    _add(changes, TERMINAL_ESCAPES, count)
    text, count = _overstrikes.subn("", text)
    _add(changes, OVERSTRIKES, count)
    text, count = _control_characters.subn("", text)
    _add(changes, CONTROL_CHARACTERS, count)
    return text


def _remove_whitespace(text: str, changes: dict[str, int]) -> str:
    text, at_ends = _spaces_at_line_ends.subn("", text)
    text, between = _blank_lines.subn("\n\n\n", text)
    _add(changes, WHITESPACE, at_ends + between)
    return text

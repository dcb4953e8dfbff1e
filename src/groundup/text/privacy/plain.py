"""Text as the patterns read it: digits of any script as 0 to 9, full-width letters and signs as plain ones, one kind of space and
of hyphen, nothing that can't be seen, and a space between a number and letters of a script that writes none. Where each character stood
is known, so what is found can be replaced in the text itself."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

ZEROS = "٠۰߀०০੦૦୦௦౦೦൦෦๐໐༠၀႐០᠐᥆᧐᪀᪐᭐᮰᱀᱐꘠꣐꤀꧐꧰꩐꯰𝟎𝟘𝟢𝟬𝟶"
"""The digit 0 of each living script and of mathematics (Unicode, general category Nd); 1 to 9 stand behind it. Full-width ones are below."""
FULL_WIDTH = range(0xFF01, 0xFF5F)  # Unicode, Halfwidth and Fullwidth Forms: ASCII from ! to ~
SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
HYPHENS = "\u2010\u2011\ufe63"  # not the dashes, which stand between two numbers, rather than in one
UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
"""Soft hyphen, zero-width spaces and joiners, marks of direction, variation selectors."""

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
"""Thai, Lao, Burmese, Khmer, kana, Han; and Hangul, whose particles follow without a space."""

_DIGITS = "".join(f"{zero}-{chr(ord(zero) + 9)}" for zero in ZEROS)
_WRITTEN_OTHERWISE = re.compile(f"[{_DIGITS}\uff01-\uff5e{SPACES}{HYPHENS}]")
_LETTER_OF_UNSPACED = re.compile(f"[{UNSPACED}]")
_MEET = re.compile(f"[{UNSPACED}](?=[A-Za-z0-9+(])|[A-Za-z0-9](?=[{UNSPACED}])")
_UNSEEN = re.compile(f"[{UNSEEN}]+")


@dataclass(frozen=True)
class Plain:
    """A text as the patterns read it."""

    text: str
    left_out: tuple[int, ...] = ()
    """For each character that was left out, in order: how many that stayed stand before it."""
    put_in: tuple[int, ...] = ()
    """Where in `text` a space was put in."""

    def stretch(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stood in the text as it was."""
        start, end = (place - bisect_left(self.put_in, place) for place in (start, end))
        return start + bisect_right(self.left_out, start), end + bisect_right(self.left_out, end - 1)


def read_plainly(text: str) -> Plain:
    """The text as the patterns read it."""
    if text.isascii():
        return Plain(text)
    text = _WRITTEN_OTHERWISE.sub(_plain_character, text)
    left_out: list[int] = []
    for unseen in _UNSEEN.finditer(text):
        left_out += [unseen.start() - len(left_out)] * len(unseen.group())
    text = _UNSEEN.sub("", text)
    put_in: list[int] = []
    if _LETTER_OF_UNSPACED.search(text):
        put_in = [meeting.end() + number for number, meeting in enumerate(_MEET.finditer(text))]
        text = _MEET.sub(r"\g<0> ", text)
    return Plain(text, tuple(left_out), tuple(put_in))


def plain(text: str) -> str:
    """The same without the places."""
    return read_plainly(text).text


def _plain_character(match: re.Match[str]) -> str:
    character = match.group()
    if ord(character) in FULL_WIDTH:
        return chr(ord(character) - FULL_WIDTH.start + ord("!"))
    if character.isdecimal():
        return str(int(character))
    return " " if character.isspace() else "-"

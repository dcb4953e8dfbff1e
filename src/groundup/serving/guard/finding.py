"""What a check reports, and what a check is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

HOLD = 512
"""Characters: a finding up to this long never leaves in part. One that is longer is seen when so much of it is there."""

WORD = re.compile(r"[^\s、。，！？；：「」『』（）]+")
"""What stands between spaces or the marks of Chinese and Japanese."""


class Stretch(NamedTuple):
    """`text[start:end]`, and what it is: `email`, `word`, `toxicity`, a hook's name."""

    start: int
    end: int
    kind: str


class Check(Protocol):
    """One way to look at a text."""

    def find(self, text: str) -> list[Stretch]:
        """What it finds, in the text's order, without overlaps."""
        ...

    def settled(self, text: str) -> int:
        """How many characters from the beginning may leave: whatever comes behind `text`, no finding of at most `HOLD` characters
        will hold one of them that `find(text)` doesn't hold already."""
        ...


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """In the text's order, those that overlap made one; it is called what the longest of them is."""
    done: list[Stretch] = []
    longest = 0
    for each in sorted(stretches):
        if done and each.start < done[-1].end:
            kind = each.kind if each.end - each.start > longest else done[-1].kind
            longest = max(longest, each.end - each.start)
            done[-1] = Stretch(done[-1].start, max(done[-1].end, each.end), kind)
        else:
            done.append(each)
            longest = each.end - each.start
    return done


def complete_words(text: str, begin: int) -> list[re.Match[str]]:
    """The words of `text[begin:]` that both begin and end there."""
    words = list(WORD.finditer(text, begin))
    if words and words[0].start() == begin > 0 and WORD.match(text[begin - 1]):
        words.pop(0)
    if words and words[-1].end() == len(text):
        words.pop()
    return words

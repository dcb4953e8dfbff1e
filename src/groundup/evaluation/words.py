"""Words as ROUGE, distinct-n and repetition count them: lower-cased runs of letters and digits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

_IDEOGRAPHS = re.compile("([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")


def words(text: str) -> list[str]:
    """The words of a text. Of ASCII they are those of ROUGE-1.5.5; other letters, which that program takes for spaces, count as letters,
    and each Chinese or Japanese character is a word, since nothing sets words apart there.

    >>> words("A well-known 3-year-old; l’été, 日本!")
    ['a', 'well', 'known', '3', 'year', 'old', 'l', 'été', '日', '本']
    """
    text = unicodedata.normalize("NFC", text).lower()
    spaced = "".join(letter if letter.isalnum() or _is_mark(letter) else " " for letter in text)
    return (spaced if spaced.isascii() else _IDEOGRAPHS.sub(r" \1 ", spaced)).split()


def is_unspaced(text: str) -> bool:
    """Whether most of its letters are Chinese or Japanese."""
    return 2 * len(_IDEOGRAPHS.findall(text)) > sum(letter.isalnum() for letter in text)


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n tokens, in order."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


@cache
def _is_mark(letter: str) -> bool:
    """Whether it belongs to the letter before it, as a vowel sign of Hindi does."""
    return unicodedata.category(letter)[0] == "M"

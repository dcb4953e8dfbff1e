"""What a word is, for rules that count words.

In most scripts words stand between spaces. In Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan they don't: there each
letter counts as half a word (a word of Chinese or Japanese has about two of them), so that a rule made for words neither drops
all such texts nor lets all pass. Korean has spaces.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

HAN_AND_KANA = (
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
WITHOUT_SPACES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Tibetan, Burmese, Khmer
    f"{HAN_AND_KANA}"
)
# Vowels and tones above and below a letter belong to it.
_marks = "".join(chr(code) for code in range(0xE00, 0x1800) if unicodedata.category(chr(code)).startswith("M"))
# Thai, Lao and Tibetan sentences end with a space or a sign of their own, not with an end mark that all writers use.
WITHOUT_END_MARKS = "\u0e00-\u0fff"
_letters_without_spaces = re.compile(f"[{WITHOUT_SPACES}]")
_letters_without_end_marks = re.compile(f"[{WITHOUT_END_MARKS}]")
_han_and_kana = re.compile(f"[{HAN_AND_KANA}]")
_units = re.compile(f"[{WITHOUT_SPACES}][{_marks}]*|[^\\s{WITHOUT_SPACES}]+")
SAMPLE = 10_000


@dataclass(frozen=True)
class Words:
    """A text's words: what stands between spaces or, in scripts without spaces, its letters, two to a word."""

    text: str

    @cached_property
    def spaced(self) -> bool:
        """Whether the script has spaces between words (judged by the first 10,000 characters)."""
        return not _mostly(_letters_without_spaces, self.text)

    @cached_property
    def units(self) -> list[str]:
        """What n-grams are made of: words, or letters of a script without spaces and what stands between them."""
        return self.text.split() if self.spaced else _units.findall(self.text)

    @property
    def units_in_a_word(self) -> int:
        return 1 if self.spaced else 2

    @cached_property
    def count(self) -> int:
        """How many words there are."""
        return -(-len(self.units) // self.units_in_a_word)

    @cached_property
    def characters(self) -> int:
        """How many characters all words have together."""
        return sum(map(len, self.units))


def has_end_marks(text: str) -> bool:
    """Whether the text's script ends sentences with a mark (judged by the first 10,000 characters)."""
    return not _mostly(_letters_without_end_marks, text)


def letters_are_dense(text: str) -> bool:
    """Whether the text is in Chinese or Japanese, whose ten letters say as much as thirty of an alphabet."""
    return _mostly(_han_and_kana, text)


def _mostly(letters: re.Pattern[str], text: str) -> bool:
    """Whether more than a third of a text's start, spaces aside, is in these letters (the rest may be names, digits, signs)."""
    start = text[:SAMPLE]
    if start.isascii():
        return False
    return 3 * len(letters.findall(start)) > len("".join(start.split()))

"""A text as numbers: its words, and sequences of its words, hashed to 64 bits, without a Python object for each.

A word is a run of letters, marks and digits in lower case; punctuation and spaces only end it. In scripts that are
written without spaces each character is a word. Hashes depend on the text alone: not on the process, the machine or
the versions of libraries, except for letters newer than the Unicode tables that Python brings.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**16
"""Characters that are looked at together; so much fits the processor's cache. A longer word is cut."""
ALONE = np.uint32(2**31)
"""Marks a character that is a word by itself."""
LAST_LETTER = (
    0x323AF  # what comes after is unassigned, private, tags, or selects a variant of the letter before, the same word
)

# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana and bopomofo, Han, half-width kana, Han beyond the BMP.
WITHOUT_SPACES = [
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3040, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, LAST_LETTER),
]

# Odd, so that they have an inverse modulo 2^64; otherwise of no meaning (the digits of the golden ratio and of pi).
CHARACTER_BASE = 0x9E3779B97F4A7C15
WORD_BASE = 0x243F6A8885A308D3


@dataclass(frozen=True)
class Words:
    """Some of a text's words in order; each is `text[begins[i]:ends[i]]`."""

    hashes: NDArray[np.uint64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


def windows(text: str, overlap: int) -> Iterator[Words]:
    """The words of a text, a bounded number at a time; each window begins with the last `overlap` words of the one
    before, or with all of them when there were fewer, so that no sequence of up to `overlap` + 1 words is missed.
    """
    window: Words | None = None
    begin = 0
    while begin < len(text):
        words, begin = _block(text, begin)
        window = words if window is None else _after(window, words, overlap)
        yield window


def _after(window: Words, words: Words, overlap: int) -> Words:
    """Words with the last ones of the window before them in front."""
    kept = slice(max(0, len(window.hashes) - overlap), None)
    return Words(
        np.concatenate([window.hashes[kept], words.hashes]),
        np.concatenate([window.begins[kept], words.begins]),
        np.concatenate([window.ends[kept], words.ends]),
    )


def sequence_hashes(words: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """The hash of each `length` words in a row: (W,) word hashes -> (W - length + 1,), or (0,) when W is less."""
    if len(words) < length:
        return np.empty(0, np.uint64)
    # A polynomial in the words, modulo 2^64. As a power is made by squaring, a long sequence is made of two short ones.
    hashes, together = words.copy(), 1
    for digit in f"{length:b}"[1:]:
        hashes = hashes[:-together] * np.uint64(pow(WORD_BASE, together, 2**64)) + hashes[together:]
        together *= 2
        if digit == "1":
            hashes = hashes[:-1] * np.uint64(WORD_BASE) + words[together:]
            together += 1
    return mix(hashes)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread what differs anywhere over all 64 bits, in place: MurmurHash3's finalizer (Appleby 2011), a bijection."""
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def _block(text: str, begin: int) -> tuple[Words, int]:
    """The words of the next block of a text, and where the block ends: after a whole word where that is possible."""
    piece = text[begin : begin + BLOCK]
    letters = _letters()[np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), "<u4")]
    if begin + len(piece) < len(text):
        boundaries = np.flatnonzero((letters == 0) | (letters >= ALONE))
        if len(boundaries):
            letters = letters[: boundaries[-1] + 1]
    end = begin + len(letters)
    places = letters.nonzero()[0]  # of the characters that belong to words
    if not len(places):
        return Words(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)), end
    kept = letters[places]
    begins_word = np.ones(len(places), np.bool_)
    begins_word[1:] = places[1:] != places[:-1] + 1
    alone = kept >= ALONE
    begins_word |= alone
    begins_word[1:] |= alone[:-1]
    first = begins_word.nonzero()[0]
    last = np.empty_like(first)
    last[:-1] = first[1:] - 1
    last[-1] = len(places) - 1
    powers, inverses = _powers()
    hashes = np.add.reduceat(kept * powers[: len(kept)], first)  # each word's polynomial, times the power at its begin
    hashes *= inverses[first]
    return Words(mix(hashes), begin + places[first], begin + places[last] + 1), end


@cache
def _letters() -> NDArray[np.uint32]:
    """For each code point: 0 when it isn't part of a word, else its lower case, with `ALONE` when it is a word by itself."""
    table = np.zeros(0x110000, np.uint32)
    for code in range(LAST_LETTER + 1):
        character = chr(code)
        if unicodedata.category(character)[0] in "LMN":
            table[code] = ord(character.lower()[0])
    for first, last in WITHOUT_SPACES:
        table[first : last + 1][table[first : last + 1] > 0] |= ALONE
    return table


@cache
def _powers() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The powers of `CHARACTER_BASE` modulo 2^64 and their inverses: (BLOCK,) each."""
    both = []
    for base in (CHARACTER_BASE, pow(CHARACTER_BASE, -1, 2**64)):
        factors = np.full(BLOCK, base, np.uint64)
        factors[0] = 1
        both.append(np.cumprod(factors))
    return both[0], both[1]

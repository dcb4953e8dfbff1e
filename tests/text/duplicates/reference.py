"""The same things in plain Python, one word and one number at a time, to compare with."""

from __future__ import annotations

import unicodedata

import numpy as np

from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.words import CHARACTER_BASE, LAST_LETTER, WITHOUT_SPACES, WORD_BASE

ALL_64_BITS = 2**64 - 1


def alone(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in WITHOUT_SPACES)


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words are: runs of letters, marks and numbers, and each character of a script without spaces."""
    found: list[tuple[int, int]] = []
    goes_on = False
    for place, character in enumerate(text):
        if ord(character) > LAST_LETTER or unicodedata.category(character)[0] not in "LMN":
            goes_on = False
        elif alone(character):
            found.append((place, place + 1))
            goes_on = False
        elif goes_on:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
            goes_on = True
    return found


def words(text: str) -> list[str]:
    return ["".join(character.lower()[0] for character in text[begin:end]) for begin, end in spans(text)]


def sequences(text: str, length: int) -> set[tuple[str, ...]]:
    """All sequences of so many words; a shorter text is one sequence."""
    all_words = words(text)
    if 0 < len(all_words) < length:
        return {tuple(all_words)}
    return {tuple(all_words[place : place + length]) for place in range(len(all_words) - length + 1)}


def jaccard(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    return len(left & right) / len(left | right)


def mixed(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value ^= value >> 33
        value = value * factor & ALL_64_BITS
    return value ^ value >> 33


def word_hash(word: str) -> int:
    codes = [ord(character) + (2**31 if alone(character) else 0) for character in word]
    return mixed(sum(code * CHARACTER_BASE**place for place, code in enumerate(codes)) & ALL_64_BITS)


def sequence_hash(sequence: tuple[str, ...]) -> int:
    total = 0
    for word in sequence:
        total = total * WORD_BASE + word_hash(word)
    return mixed(total & ALL_64_BITS)


def signature(text: str, settings: DuplicateSettings) -> list[int]:
    bits = [int(value) for value in np.random.Philox(key=settings.seed).random_raw(settings.num_permutations)]
    numbers = [sequence_hash(sequence) >> 32 for sequence in sequences(text, settings.shingle_words)]
    return [min([2**32 - 1, *((((value >> 32) | 1) * number + value) % 2**32 for number in numbers)]) for value in bits]

"""Evaluation text inside training text: sequences of words that both hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.text.cleaning import words as spaced
from groundup.text.duplicates.settings import DecontaminationSettings
from groundup.text.duplicates.words import sequence_hashes, windows

MOST_SEQUENCES = 50_000_000
"""Of evaluation texts, 8 bytes each: 400 MB in every process that looks for them."""
SEQUENCES_TOGETHER = 2**20


@dataclass(frozen=True)
class Overlap:
    """How much of a text stands in evaluation texts, too."""

    words: int
    """Words of the text."""
    shared: int
    """Those that stand in a sequence which an evaluation text holds as well."""
    example: str
    """The first such sequence as the text has it; empty when there is none."""

    @property
    def share(self) -> float:
        """Share of the words that stand in a shared sequence; 0 for a text without words."""
        return self.shared / self.words if self.words else 0.0


@dataclass(frozen=True)
class Contamination:
    """The word sequences of evaluation texts, as sorted hashes: one array for each length that is looked for."""

    settings: DecontaminationSettings
    sequences: dict[int, NDArray[np.uint64]]
    too_short: int
    """Evaluation texts with words, but too few to be looked for."""

    @classmethod
    def from_texts(cls, texts: Iterable[str], settings: DecontaminationSettings) -> Contamination:
        """Read evaluation texts, each row or question a text of its own.

        A text of fewer than `ngram_words` words is one sequence of its own length; with fewer than `shortest_words` it
        is counted in `too_short` and not looked for. In scripts without spaces a word has two characters. A hash takes
        8 bytes and two sequences share one with a probability of 2^-64. Raises `DataError` when there are more than 50 million sequences.
        """
        sequences: dict[int, NDArray[np.uint64]] = {}
        gathered: dict[int, list[NDArray[np.uint64]]] = {}
        waiting = too_short = 0
        for text in texts:
            for hashes, length in _sequences(text, settings):
                if not length:
                    too_short += 1
                    continue
                gathered.setdefault(length, []).append(hashes)
                waiting += len(hashes)
            if waiting > SEQUENCES_TOGETHER:
                _merge(sequences, gathered)
                waiting = 0
        _merge(sequences, gathered)
        return cls(settings, dict(sorted(sequences.items(), reverse=True)), too_short)

    def overlap(self, text: str) -> Overlap:
        """How much of a text these evaluation texts hold."""
        total = shared = 0
        example = ""
        covered = np.empty(0, np.bool_)
        overlap = max(self.sequences, default=1) - 1
        for words in windows(text, overlap):
            before = covered[max(0, len(covered) - overlap) :]
            covered = np.zeros(len(words.hashes), np.bool_)
            covered[: len(before)] = before
            found: list[tuple[int, int]] = []
            for length, known in self.sequences.items():
                at = np.flatnonzero(_contained(sequence_hashes(words.hashes, length), known))
                if len(at):
                    found.append((int(at[0]), length))
                    covered |= _spans(at, length, len(covered))
            if found and not example:
                first, length = min(found, key=lambda pair: (pair[0], -pair[1]))
                example = text[words.begins[first] : words.ends[first + length - 1]]
            total += len(covered) - len(before)
            shared += int(covered.sum()) - int(before.sum())
        return Overlap(total, shared, example)

    def contaminates(self, overlap: Overlap) -> bool:
        """Whether this much of a text is enough to drop it."""
        return overlap.shared > 0 and overlap.share >= self.settings.share


def _sequences(text: str, settings: DecontaminationSettings) -> Iterator[tuple[NDArray[np.uint64], int]]:
    """The hashed sequences of an evaluation text with their length; a length of 0 for a text that is too short.

    Where each character counts as a word, twice as many are asked for: thirteen may be no more than a name
    (中华人民共和国全国人民代表大会).
    """
    in_a_word = spaced.Words(text).units_in_a_word
    longest, shortest = settings.ngram_words * in_a_word, settings.shortest_words * in_a_word
    hashes = np.empty(0, np.uint64)
    whole = True  # in the last window
    for words in windows(text, longest - 1):
        hashes = words.hashes
        whole &= len(hashes) < longest
        yield sequence_hashes(hashes, longest), longest
    if whole and len(hashes):
        yield sequence_hashes(hashes, len(hashes)), len(hashes) if len(hashes) >= shortest else 0


def _merge(sequences: dict[int, NDArray[np.uint64]], gathered: dict[int, list[NDArray[np.uint64]]]) -> None:
    """Move what was gathered into the sorted arrays."""
    for length, parts in gathered.items():
        known = np.unique(np.concatenate([sequences.get(length, np.empty(0, np.uint64)), *parts]))
        if len(known):
            sequences[length] = known
    gathered.clear()
    total = sum(map(len, sequences.values()))
    if total > MOST_SEQUENCES:
        raise DataError(
            f"the evaluation texts of decontamination.files hold more than {MOST_SEQUENCES:,} sequences of words "
            f"({total:,} so far): name fewer or smaller files"
        )


def _contained(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    places = np.searchsorted(known, hashes)
    places[places == len(known)] = 0
    return np.asarray(known[places] == hashes)


def _spans(begins: NDArray[np.int64], length: int, count: int) -> NDArray[np.bool_]:
    """Which of `count` words stand in the sequences that begin at these places."""
    steps = np.zeros(count + 1, np.int64)
    steps[begins] += 1
    steps[begins + length] -= 1
    return np.cumsum(steps[:-1]) > 0

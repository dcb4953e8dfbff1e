"""Settings of the removal of duplicates and of evaluation text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundup.config import require

Near = Literal["off", "together", "drop"]

FOUND_AT_THRESHOLD = 0.9
LARGEST_SIGNATURE = 4096
LONGEST_NGRAM = 64


@dataclass(frozen=True)
class DuplicateSettings:
    """Which documents count as copies of one before them.

    The bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4) follow from `threshold` and
    `num_permutations`: as many rows to a band as still find at least 90 % of the pairs that lie at the threshold. With
    the defaults that is 14 bands of 8 rows over 5-grams, the numbers of FineWeb (Penedo et al. 2024, section 3.4).
    """

    exact: bool = False
    """Drop a document whose text is, byte for byte, that of one before it."""
    near: Near = "off"
    """What becomes of a document that shares most of its word sequences with one before it.
    off: nobody looks; together: it stays, on the same side of the split; drop (exact copies, too)."""
    threshold: float = 0.8
    """Share of all word sequences of two documents that both must hold (Jaccard similarity) to be near-duplicates."""
    shingle_words: int = 5
    """Words in a sequence; in scripts without spaces (Chinese, Japanese, Thai, …) each character counts as a word."""
    num_permutations: int = 112
    """Numbers in a document's signature: the similarity is estimated to within about 1 / (2 * sqrt(this)); 4 bytes each."""
    seed: int = 1
    """Chooses the permutations; signatures made with different seeds cannot be compared."""

    def __post_init__(self) -> None:
        require(
            0 < self.threshold <= 1,
            "duplicates.threshold",
            self.threshold,
            "use a similarity above 0 and at most 1, e.g. 0.8",
        )
        require(
            1 <= self.shingle_words <= LONGEST_NGRAM,
            "duplicates.shingle_words",
            self.shingle_words,
            f"use 1 to {LONGEST_NGRAM} words, e.g. 5",
        )
        require(
            1 <= self.num_permutations <= LARGEST_SIGNATURE,
            "duplicates.num_permutations",
            self.num_permutations,
            f"use 1 to {LARGEST_SIGNATURE} numbers, e.g. 112",
        )
        require(0 <= self.seed < 2**63, "duplicates.seed", self.seed, "use a whole number from 0 to 2^63 - 1")

    @property
    def rows(self) -> int:
        """Numbers of a signature that must all agree in a band."""
        for rows in range(self.num_permutations, 1, -1):
            if _found(self.threshold, self.num_permutations // rows, rows) >= FOUND_AT_THRESHOLD:
                return rows
        return 1

    @property
    def bands(self) -> int:
        """Bands of a signature, one of which must agree."""
        return self.num_permutations // self.rows

    def found(self, similarity: float) -> float:
        """The S-curve: how probable it is that a pair of this Jaccard similarity is compared at all."""
        return _found(similarity, self.bands, self.rows)


def _found(similarity: float, bands: int, rows: int) -> float:
    """1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman, section 3.4.2)."""
    return float(1 - (1 - similarity**rows) ** bands)


@dataclass(frozen=True)
class DecontaminationSettings:
    """Which documents count as holding evaluation text.

    Sequences of 13 words are those of GPT-3 (Brown et al. 2020, appendix C), and so is the shortest length, 8.
    """

    files: tuple[str, ...] = ()
    """Evaluation texts that must not be trained on: files, folders or patterns; none: nothing is looked for."""
    ngram_words: int = 13
    """Words in a row that a document and an evaluation text must share."""
    shortest_words: int = 8
    """A shorter evaluation text is looked for as a whole if it has at least this many words, else not at all."""
    share: float = 0.0
    """Share of a document's words that must stand in such sequences for it to be dropped; 0: any one sequence is enough."""

    def __post_init__(self) -> None:
        require(
            all(file.strip() for file in self.files),
            "decontamination.files",
            self.files,
            "name evaluation files, e.g. ['test.jsonl'], or leave the list empty",
        )
        require(
            1 <= self.ngram_words <= LONGEST_NGRAM,
            "decontamination.ngram_words",
            self.ngram_words,
            f"use 1 to {LONGEST_NGRAM} words, e.g. 13",
        )
        require(
            1 <= self.shortest_words <= self.ngram_words,
            "decontamination.shortest_words",
            self.shortest_words,
            f"use 1 to {self.ngram_words} words (decontamination.ngram_words)",
        )
        require(
            0 <= self.share <= 1,
            "decontamination.share",
            self.share,
            "use a share from 0 to 1; 0 drops a document for any one sequence",
        )

"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), as ROUGE-1.5.5 computes them without stemming: `-n 2 -f A -t 0 -p 0.5`.

How many n-grams, or words of a longest common subsequence, a text shares with its references. A line is a sentence; ROUGE-L is
the summary's (Lin 2004, §3.2): of each sentence of the reference the words that some sentence of the text has in the same order,
each occurrence once. Several references add up (`-f A`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from groundup.evaluation.words import ngrams, words

ROWS_KEPT = 1024
KINDS = ("rouge_1", "rouge_2", "rouge_l")


class Rouge(NamedTuple):
    """What a text shares with its references, as shares; 0 where there is nothing to share."""

    recall: float
    """Of the references' n-grams, those that the text has."""
    precision: float
    """Of the text's n-grams, those that the references have."""
    f1: float
    """Their harmonic mean."""


def rouge(text: str, references: Sequence[str]) -> dict[str, Rouge]:
    """The three of one text."""
    lines = _lines(text)
    others = [_lines(reference) for reference in references]
    return {
        "rouge_1": _add_up([_shared_ngrams(lines, other, 1) for other in others]),
        "rouge_2": _add_up([_shared_ngrams(lines, other, 2) for other in others]),
        "rouge_l": _add_up([_shared_subsequence(lines, other) for other in others]),
    }


def _lines(text: str) -> list[list[str]]:
    return [words(line) for line in text.split("\n")]


def _add_up(counts: Sequence[tuple[int, int, int]]) -> Rouge:
    """Of (shared, of the reference, of the text) for each reference."""
    shared, of_references, of_text = (sum(column) for column in zip(*counts, strict=True))
    recall = shared / of_references if of_references else 0.0
    precision = shared / of_text if of_text else 0.0
    return Rouge(recall, precision, 2 * recall * precision / (recall + precision) if shared else 0.0)


def _shared_ngrams(text: list[list[str]], reference: list[list[str]], n: int) -> tuple[int, int, int]:
    """N-grams run across lines, and each occurrence counts once."""
    ours, theirs = (ngrams([word for line in lines for word in line], n) for lines in (text, reference))
    return (Counter(ours) & Counter(theirs)).total(), len(theirs), len(ours)


def _shared_subsequence(text: list[list[str]], reference: list[list[str]]) -> tuple[int, int, int]:
    left_here, left_there = (Counter(word for line in lines for word in line) for lines in (text, reference))
    of_text, of_reference = left_here.total(), left_there.total()
    lines, lines_with = [list(line) for line in dict.fromkeys(map(tuple, text))], dict[str, list[int]]()
    for number, line in enumerate(lines):
        for word in set(line):
            lines_with.setdefault(word, []).append(number)
    shared = 0
    for sentence in reference:
        for place in sorted(_places_in_any(sentence, lines, lines_with)):
            word = sentence[place]
            if left_here[word] > 0 and left_there[word] > 0:
                left_here[word] -= 1
                left_there[word] -= 1
                shared += 1
    return shared, of_reference, of_text


def _places_in_any(
    sentence: list[str], lines: Sequence[list[str]], lines_with: Mapping[str, Sequence[int]]
) -> set[int]:
    """Places in `sentence` of the words that it has in common, in order, with some line.

    A line adds nothing whose words have all of their places already, so it is not looked at: of long texts, each sentence is held against
    the lines with its rare words and a few of those with its common ones, and not against all. At worst it is all.
    """
    found, looked_at = set[int](), set[int]()
    for word in sorted(lines_with.keys() & set(sentence), key=lambda word: len(lines_with[word])):
        lacking = {place for place, other in enumerate(sentence) if other == word} - found
        for number in lines_with[word]:
            if not lacking:
                break
            if number not in looked_at:
                looked_at.add(number)
                found |= _common_places(sentence, lines[number], _places_of_words(lines[number]))
                lacking -= found
    return found


def _places_of_words(line: list[str]) -> dict[str, int]:
    """Each word's places in a line, as the bits of a number."""
    found: dict[str, int] = {}
    for place, word in enumerate(line):
        found[word] = found.get(word, 0) | 1 << place
    return found


def _common_places(sentence: list[str], line: list[str], places_of_words: dict[str, int]) -> set[int]:
    """Places in `sentence` of the words of a longest common subsequence. Of several as long, the one that ROUGE-1.5.5 takes.

    The usual table, a row for each word of the sentence: how long a subsequence its beginning up to there has in common with each
    beginning of the line. A row is kept as one number, whose bit j is 0 where the length grows with the line's word j, so that a few
    operations make the next one, however long the line (Hyyrö 2004). Of a long sentence only every `ROWS_KEPT`-th row stays.
    """
    row, starts = (1 << len(line)) - 1, list[int]()
    blocks = [sentence[start : start + ROWS_KEPT] for start in range(0, len(sentence), ROWS_KEPT)]
    for block in blocks:
        starts.append(row)
        *_, row = _rows(row, block, line, places_of_words) if block is not blocks[-1] else (row,)
    common, j = set[int](), len(line)
    for number in reversed(range(len(blocks))):
        block = blocks[number]
        rows, i = list(_rows(starts[number], block, line, places_of_words)), len(block)
        while i and j:
            if block[i - 1] == line[j - 1]:
                i, j = i - 1, j - 1
                common.add(number * ROWS_KEPT + i)
            elif rows[i] - rows[i - 1] >> j - 1 & 1:  # the sentence's word makes it longer here, so the line's doesn't
                j -= 1
            else:
                i -= 1
    return common


def _rows(row: int, block: list[str], line: list[str], places_of_words: dict[str, int]) -> Iterator[int]:
    """A row, and those after it for each word of the block."""
    whole = (1 << len(line)) - 1
    yield row
    for word in block:
        here = row & places_of_words.get(word, 0)
        row = (row + here | row - here) & whole
        yield row

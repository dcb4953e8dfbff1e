"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), as ROUGE-1.5.5 computes them without stemming: `-n 2 -a -m`-less, `-f A`, `-t 0`, `-p 0.5`.

How many n-grams, or words of a longest common subsequence, a text shares with its references. A line is a sentence; ROUGE-L is
the summary's (Lin 2004, §3.2): of each sentence of the reference the words that some sentence of the text has in the same order,
each occurrence once. Several references add up (`-f A`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from groundup.evaluation.words import ngrams, words

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
    shared = 0
    for sentence in reference:
        places = set[int]().union(*(_common_places(sentence, line) for line in text))
        for place in sorted(places):
            word = sentence[place]
            if left_here[word] > 0 and left_there[word] > 0:
                left_here[word] -= 1
                left_there[word] -= 1
                shared += 1
    return shared, of_reference, of_text


def _common_places(sentence: list[str], line: list[str]) -> set[int]:
    """Places in `sentence` of the words of a longest common subsequence. Of several as long, the one that ROUGE-1.5.5 takes."""
    longest = [[0] * (len(line) + 1)]
    for word in sentence:
        above, row = longest[-1], [0]
        for place, other in enumerate(line):
            if word == other:
                row.append(above[place] + 1)
            else:
                row.append(max(above[place + 1], row[place]))
        longest.append(row)
    places, i, j = set[int](), len(sentence), len(line)
    while i and j:
        if sentence[i - 1] == line[j - 1]:
            i, j = i - 1, j - 1
            places.add(i)
        elif longest[i - 1][j] >= longest[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return places

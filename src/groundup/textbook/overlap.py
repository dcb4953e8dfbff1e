"""What a text that was written shares with one that was wanted: BLEU, and ROUGE by n-grams and by the longest common subsequence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

Words = Sequence[str]


def runs_of(words: Words, n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n words stands in a text.

    >>> runs_of("a kite a kite".split(), 2)[("a", "kite")]
    2
    """
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def bleu(texts: Sequence[Words], references: Sequence[Words], longest: int = 4) -> float:
    """BLEU from 0 to 100, of all texts together, each with one reference (Papineni et al. 2002, §2).

    The share of runs of one word that the reference has, too, of two words, of three, of four; their geometric mean. A run counts as
    often as the reference has it, or repeating one good word would be a perfect text. Texts that are too short would have few wrong
    runs, so the mean is lowered by exp(1 - wanted length / written length).
    """
    mean_log = 0.0
    for n in range(1, longest + 1):
        written = [runs_of(text, n) for text in texts]
        shared = sum((each & runs_of(other, n)).total() for each, other in zip(written, references, strict=True))
        if not shared:
            return 0.0
        mean_log += math.log(shared / sum(each.total() for each in written)) / longest
    shortness = sum(map(len, references)) / sum(map(len, texts))
    return 100 * math.exp(mean_log + min(0.0, 1 - shortness))


def f1(shared: int, of_text: int, of_reference: int) -> float:
    """The harmonic mean of two shares: of the text's, and of the reference's."""
    return 2 * shared / (of_text + of_reference) if shared else 0.0


def rouge_n(text: Words, reference: Words, n: int) -> float:
    """ROUGE-N as F1: runs of n words in common (Lin 2004, §2)."""
    ours, theirs = runs_of(text, n), runs_of(reference, n)
    return f1((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(text: Words, reference: Words) -> float:
    """ROUGE-L of one sentence as F1: the longest sequence of words that both have in this order, others between them or not
    (Lin 2004, §3.1).

    >>> rouge_l("a b x c".split(), "a y b c".split())
    0.75
    """
    longest = [0] * (len(reference) + 1)  # of the text so far and of each beginning of the reference
    for word in text:
        before = list(longest)
        for place, other in enumerate(reference):
            longest[place + 1] = before[place] + 1 if word == other else max(before[place + 1], longest[place])
    return f1(longest[-1], len(text), len(reference))

"""BLEU and ROUGE by hand, of one sentence; and whom they prefer."""

from __future__ import annotations

import re

from groundup.evaluation.overlap import overlap
from groundup.textbook.overlap import bleu, rouge_l, rouge_n, runs_of

REFERENCE = "Mia lent Ben a kite, and then Ben thanked Mia."
WRITTEN = {
    "right, other words": "Ben got his kite from Mia, whom he was grateful to.",
    "right, turned round": "Ben was lent a kite by Mia, and he thanked her.",
    "wrong, its words": "Ben lent Mia a kite, and then Mia thanked Ben.",
    "a negation more": "Mia lent Ben a kite, and then Ben never thanked Mia.",
    "too short": "Mia lent Ben a kite.",
}


def words_of(text: str) -> list[str]:
    """Words and signs, as BLEU cuts English."""
    return re.findall(r"\w+|[^\w\s]", text)


def only_words(text: str) -> list[str]:
    """Small letters and no signs, as ROUGE has it."""
    return re.findall(r"\w+", text.lower())


ours, theirs = words_of(WRITTEN["wrong, its words"]), words_of(REFERENCE)
print(f"wanted:   {' '.join(theirs)}\nwritten:  {' '.join(ours)}")
for n in (1, 2, 3, 4):
    written, wanted = runs_of(ours, n), runs_of(theirs, n)
    shared = written & wanted
    example = " ".join(next(iter(shared), ()))
    print(f"runs of {n}: {shared.total():2} of {written.total():2} are in the wanted text, such as {example!r}")

print("\n                      BLEU   ROUGE-1   ROUGE-2   ROUGE-L   exact")
scores = {}
for name, text in WRITTEN.items():
    pair = only_words(text), only_words(REFERENCE)
    scores[name] = bleu([words_of(text)], [theirs]), rouge_n(*pair, 1), rouge_n(*pair, 2), rouge_l(*pair)
    print(
        f"{name:20}{scores[name][0]:6.1f}"
        + "".join(f"{score:10.2f}" for score in scores[name][1:])
        + f"{text == REFERENCE!s:>8}"
    )

library = overlap([WRITTEN["wrong, its words"]], [[REFERENCE]]).intervals()
print(f"\nthe library's of the wrong one: BLEU {library['bleu'].value:.1f}, ROUGE-L {library['rouge_l'].value:.2f}")

assert abs(library["bleu"].value - scores["wrong, its words"][0]) < 1e-6
assert abs(library["rouge_l"].value - scores["wrong, its words"][3]) < 1e-6
assert scores["wrong, its words"] > scores["right, other words"]

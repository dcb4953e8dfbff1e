"""Copies: which are found, and what a loss is worth when the held-out text has copies of what was trained on."""

from __future__ import annotations

import math

from noticeboard import make_pile

from groundup.textbook import NgramModel
from groundup.textbook.minhash import jaccard, near_duplicates, signature, word_sequences

pile = make_pile()
sequences = [word_sequences(notice.text) for notice in pile]
alike = jaccard(sequences[12], sequences[377])
print(f"{pile[377].id} and day-13: {alike:.2f} alike; day-1 and day-2: {jaccard(sequences[0], sequences[1]):.2f}")

first = near_duplicates([signature(each) for each in sequences])
dropped = [place for place, leader in enumerate(first) if leader != place]
print(f"{len(pile)} documents have {math.comb(len(pile), 2):,} pairs; {len(dropped)} documents are dropped:")
for kind in ("a copy", "a near-copy", "a menu", ""):
    count = sum(pile[place].planted == kind for place in dropped)
    print(f"  {count:3} of {sum(notice.planted == kind for notice in pile):3}  {kind or 'ordinary ones'}")

vocabulary = {word: i for i, word in enumerate(sorted({word for notice in pile for word in notice.text.split()}))}


def loss(training: list[str], held_out: list[str]) -> float:
    """Nats a word of a model made of counts."""
    model = NgramModel([[vocabulary[w] for w in text.split()] for text in training], len(vocabulary), order=8)
    sums = 0.0
    for text in held_out:
        ids = [vocabulary[word] for word in text.split()]
        sums -= sum(math.log(model.probability(ids[:t], token)) for t, token in enumerate(ids))
    return sums / sum(len(text.split()) for text in held_out)


year = [notice.text for notice in pile[:365]]
training, held_out = year[:300], year[300:]
leaked = loss([*training, *held_out], held_out)
honest = loss(training, held_out)
print(f"\nloss on 65 held-out notices: {honest:.2f}; when copies of them are among the training text: {leaked:.2f}")

assert {pile[place].planted for place in dropped} >= {"a copy", "a near-copy"}
assert leaked < 0.7 * honest

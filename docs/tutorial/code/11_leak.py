"""A model that only remembers more: what happens to a test when some of it stands in the training text."""

from __future__ import annotations

import math

from noticeboard import make_pile

from groundup.textbook import NgramModel

year = [notice.text for notice in make_pile()[:365]]
training, test, new = year[:120], year[120:150], year[150:180]
vocabulary = {word: number for number, word in enumerate(sorted({word for text in year for word in text.split()}))}


def ids_of(text: str) -> list[int]:
    return [vocabulary[word] for word in text.split()]


def loss(model: NgramModel, texts: list[str]) -> float:
    """Nats a word."""
    nats = [
        -math.log(model.probability(ids_of(text)[:t], word)) for text in texts for t, word in enumerate(ids_of(text))
    ]
    return sum(nats) / len(nats)


print("of 30 test notices   loss on   on those    on the    on notices that")
print("were trained on     the test    of them    others    nobody ever saw")
found = []
for leaked in (0, 3, 15, 30):
    model = NgramModel(map(ids_of, [*training, *test[:leaked]]), len(vocabulary), order=5)
    parts = [loss(model, texts) if texts else None for texts in (test, test[:leaked], test[leaked:], new)]
    found.append(parts)
    print(f"{leaked:18}" + "".join(f"{'–' if part is None else f'{part:.2f}':>11}" for part in parts))

first, last = found[0], found[-1]
assert last[0] < 0.7 * first[0]
assert abs(last[3] - first[3]) < 0.1

"""A tokenizer that is not the model's: every id is valid, nothing fails, and nothing makes sense."""

from __future__ import annotations

import math
from collections.abc import Sequence

from village import HELD_OUT_LINES, TRAINING_LINES

from groundup.textbook import BytePairTokenizer, NgramModel

right = BytePairTokenizer("\n".join(TRAINING_LINES), vocab_size=300)
wrong = BytePairTokenizer("\n".join(TRAINING_LINES).replace("lent", "gave").replace("Mia", "Mara"), vocab_size=300)
model = NgramModel([right.encode(line) for line in TRAINING_LINES], right.vocab_size, order=4)


def nats_a_character(ids: Sequence[int], text: str) -> float:
    return -sum(math.log(model.probability(ids[:t], token)) for t, token in enumerate(ids)) / len(text)


line = HELD_OUT_LINES[0]
for name, tokenizer in ("the model's own tokenizer", right), ("another one", wrong):
    ids = tokenizer.encode(line)
    print(f"{name:26}{nats_a_character(ids, line):.2f} nats a character, ids {ids[:6]} …")
print(f"{line!r}, written by the one and read by the other: {wrong.decode(right.encode(line))!r}")

assert right.decode(right.encode(line)) == line
assert nats_a_character(wrong.encode(line), line) > 3 * nats_a_character(right.encode(line), line)

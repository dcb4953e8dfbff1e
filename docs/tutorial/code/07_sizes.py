"""Characters, words, byte pairs: tokens and losses by the size of the vocabulary, and which figures can be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from groundup.textbook import BytePairTokenizer, CharacterTokenizer, NgramModel, WordTokenizer

TEXT = (Path(__file__).parents[3] / "LICENSE").read_text(encoding="utf-8")
CUT = int(0.8 * len(TEXT))
TRAINING, HELD_OUT = TEXT[:CUT], TEXT[CUT:]
NUM_BYTES = len(HELD_OUT.encode())


def loss(training: Sequence[int], held_out: Sequence[int], vocab_size: int) -> float:
    """Nats a token of a model made of counts, which looks at two tokens before the next one."""
    model = NgramModel([training], vocab_size, order=3)
    return -sum(
        math.log(model.probability(held_out[max(0, t - 2) : t], token)) for t, token in enumerate(held_out)
    ) / len(held_out)


def measure(tokenizer: CharacterTokenizer | BytePairTokenizer) -> tuple[int, float, float]:
    """Tokens of the held-out text, the loss of one, and bits a byte."""
    ids = tokenizer.encode(HELD_OUT)
    nats = loss(tokenizer.encode(TRAINING), ids, tokenizer.vocab_size)
    return len(ids), nats, nats * len(ids) / math.log(2) / NUM_BYTES


results = {}
print("                       vocabulary   tokens   unknown   loss a token   bits a byte")
for name, tokenizer in {
    "characters": CharacterTokenizer(TRAINING),
    **{f"byte pairs, {size}": BytePairTokenizer(TRAINING, size) for size in (257, 300, 400, 600, 1000)},
    **{f"words, seen {n} times": WordTokenizer(TRAINING, min_frequency=n) for n in (1, 3, 10)},
}.items():
    unknown = 0
    if isinstance(tokenizer, CharacterTokenizer):
        unknown = tokenizer.encode(HELD_OUT).count(tokenizer.unk_token_id)
    tokens, nats, bits = results[name] = measure(tokenizer)
    shown = f"{bits:14.2f}" if not name.startswith("words") else f"({bits:.2f})".rjust(14)
    print(f"{name:23}{tokenizer.vocab_size:10,}{tokens:9,}{unknown / tokens:10.0%}{nats:15.2f}{shown}")


assert results["byte pairs, 257"][1] < results["byte pairs, 400"][1]  # fewer tokens, each of them harder to guess; ...
assert results["byte pairs, 257"][2] > results["byte pairs, 400"][2]  # ... and yet the text as a whole is easier
assert results["words, seen 10 times"][1] < results["words, seen 1 times"][1]  # the less it knows, the better it looks

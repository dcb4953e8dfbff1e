"""A language model made of counts: which word follows which?"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

from village import END, FLOOR, HELD_OUT_LINES, TOKENS, TRAINING_LINES, split_words

from groundup.textbook import NgramModel

Counts = dict[tuple[str, ...], Counter[str]]  # context -> how often each word came next


def windows(line: str, size: int) -> list[tuple[tuple[str, ...], str]]:
    """Each word of the line with the `size` words before it."""
    words = [END] * size + [*split_words(line), END]
    return [(tuple(words[i - size : i]), words[i]) for i in range(size, len(words))]


def count(lines: list[str], size: int) -> Counts:
    counts: Counts = defaultdict(Counter)
    for line in lines:
        for context, word in windows(line, size):
            counts[context][word] += 1
    return counts


def probability(counts: Counts, context: tuple[str, ...], word: str, added: float = 0.01) -> float:
    """The word's share of what followed the context. A little is added to every count, so that nothing is impossible."""
    seen = counts.get(context, Counter())
    return (seen[word] + added) / (seen.total() + added * len(TOKENS))


def perplexity(counts: Counts, lines: list[str], size: int) -> float:
    pairs = [pair for line in lines for pair in windows(line, size)]
    return math.exp(-sum(math.log(probability(counts, *pair)) for pair in pairs) / len(pairs))


def numbers(line: str) -> list[int]:
    return [TOKENS.index(word) for word in (*split_words(line), END)]


def textbook_perplexity(model: NgramModel, lines: list[str]) -> float:
    """The same measure, of the model that asks shorter contexts, too."""
    pairs = [(ids[:place], token) for ids in map(numbers, lines) for place, token in enumerate(ids)]
    return math.exp(-sum(math.log(model.probability(*pair)) for pair in pairs) / len(pairs))


def write(counts: Counts, size: int, rng: random.Random, most: int = 14) -> str:
    words = [END] * size
    while len(words) < size + most:
        seen = counts[tuple(words[len(words) - size :])]
        words += rng.choices(list(seen), list(seen.values()))
        if words[-1] == END:
            break
    return " ".join(word for word in words if word != END).replace(" .", ".")


print("words before   perplexity on                     the textbook's, on")
print(" looked at     training lines   held-out lines   held-out lines")
measured, smoothed = {}, {}
for size in (0, 1, 2, 4, 8):
    counts = count(TRAINING_LINES, size)
    measured[size] = perplexity(counts, HELD_OUT_LINES, size)
    model = NgramModel(map(numbers, TRAINING_LINES), len(TOKENS), order=size + 1)
    smoothed[size] = textbook_perplexity(model, HELD_OUT_LINES)
    print(f"{size:6}{perplexity(counts, TRAINING_LINES, size):18.2f}{measured[size]:17.2f}{smoothed[size]:17.2f}")
for name, value in (("a blind guess", len(TOKENS)), ("the best possible", math.exp(FLOOR))):
    print(f"{name:17}{value:7.2f}{value:17.2f}{value:17.2f}")

for size in (0, 1, 4):
    rng, counts = random.Random(11), count(TRAINING_LINES, size)
    print(f"\nwritten with {size} words of context:")
    for _ in range(3):
        print(f"  {write(counts, size, rng)}")

assert measured[0] > 3 * measured[1]  # switch the context off, and most of what the model knew is gone
assert measured[8] > measured[4] > math.exp(FLOOR)  # yet a longer one does not help for ever
assert measured[8] > 3 * smoothed[8] > 3 * math.exp(FLOOR)  # what a shorter one knows mends most of it, not all

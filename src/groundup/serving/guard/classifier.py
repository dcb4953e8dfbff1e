"""A small classifier of texts: logistic regression over the words and the pieces of words that occur.

It is trained here, from rows with a text and a label, in seconds, and kept as safetensors: numbers alone. (Published ones come as
pickles, which run code when they are opened, or from the network.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.files import replacing
from groundup.serving.guard.look_alikes import read_as_seen
from groundup.serving.guard.sentences import cut_into_sentences

FORMAT = "groundup-text-classifier-1"
SIZE = (
    2**17
)  # numbers that features are hashed to (Weinberger et al. 2009, "Feature hashing for large scale multitask learning")
PIECES = (3, 4, 5)  # characters of a piece of a word
WORDS = re.compile(r"[^\W_]+|[!?*]+")
EPOCHS, RATE, DECAY = 4, 0.3, 3e-3
FEWEST = 20  # rows of a label

Vector = NDArray[np.float32]


class Classifier:
    """Weights (SIZE,) and a bias: the probability of the label is σ(w·x + b), x the counts of features, log-scaled and of length 1."""

    def __init__(self, weights: Vector, bias: float) -> None:
        self.weights, self.bias = weights, bias

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """Of each text, the probability that it is what the label says."""
        return [_sigmoid(float(self.weights[places] @ values) + self.bias) for places, values in map(features, texts)]

    def save(self, path: Path) -> None:
        """Write it as safetensors, in half precision."""
        from safetensors.numpy import save

        data = save(
            {"weights": self.weights.astype(np.float16), "bias": np.array([self.bias], np.float32)}, {"format": FORMAT}
        )
        with replacing(path) as file:
            file.write(data)

    @staticmethod
    def load(path: Path) -> Classifier:
        """Read what `save` wrote. Raises `DataError` for any other file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                if (file.metadata() or {}).get("format") != FORMAT:
                    raise DataError(f"{path} is no classifier of texts; name a file that `groundup guard train` wrote")
                weights, bias = file.get_tensor("weights").astype(np.float32), file.get_tensor("bias")
        except OSError as error:
            raise DataError(
                f"toxicity.classifier: {path} cannot be read ({error.strerror or error}); name a file that `groundup guard train` wrote"
            ) from None
        except SafetensorError as error:
            raise DataError(
                f"toxicity.classifier: {path} is damaged or no classifier ({error}); train it again"
            ) from None
        if (
            weights.shape != (SIZE,)
            or bias.shape != (1,)
            or not (np.isfinite(weights).all() and np.isfinite(bias).all())
        ):
            raise DataError(f"toxicity.classifier: {path} is damaged (shape {weights.shape}); train it again")
        return Classifier(weights, float(bias[0]))


def features(text: str) -> tuple[NDArray[np.int64], Vector]:
    """The features of a text: where each is, and its value. Words, pairs of words, and pieces of words, as the eye takes them."""
    seen, _ = read_as_seen(text)
    words = WORDS.findall(seen)
    counts: dict[int, int] = {}
    for word in words:
        for place in _pieces(word):
            counts[place] = counts.get(place, 0) + 1
    for first, second in pairwise(words):
        place = _hashed(f"{first} {second}")
        counts[place] = counts.get(place, 0) + 1
    places = np.fromiter(counts.keys(), np.int64, len(counts))
    values = np.log1p(np.fromiter(counts.values(), np.float32, len(counts)))
    return places, (values / max(float(np.linalg.norm(values)), 1e-12)).astype(np.float32)


@lru_cache(maxsize=20_000)
def _pieces(word: str) -> tuple[int, ...]:
    """The word itself and its pieces, its beginning and end marked, each hashed."""
    marked = f"<{word}>"
    pieces = [marked[at : at + size] for size in PIECES for at in range(len(marked) - size + 1)]
    return tuple(_hashed(piece) for piece in [word, *pieces])


def _hashed(feature: str) -> int:
    return crc32(feature.encode("utf-8", "surrogatepass")) % SIZE


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


def train_classifier(texts: Sequence[str], labels: Sequence[bool], seed: int = 0) -> Classifier:
    """Logistic regression by AdaGrad (Duchi et al. 2011), `EPOCHS` times over the rows in a drawn order.

    Sentences are what will be judged, so each sentence of a row with label 0 is read by itself, too; of a row with label 1 nobody knows
    which sentence it is. Both labels weigh the same in all, however many rows each has; no feature is kept that stands in one row
    alone. The same rows and seed give the same classifier. Raises `DataError` unless there are `FEWEST` rows of each label.
    """
    positive = sum(labels)
    if min(positive, len(labels) - positive) < FEWEST:
        raise DataError(
            f"a classifier needs {FEWEST} rows of each label at least, and there are {positive:,} of 1 and "
            f"{len(labels) - positive:,} of 0; give it more"
        )
    harmless = [text for text, label in zip(texts, labels, strict=True) if not label]
    sentences = [
        text[start:end] for text in harmless for start, end in cut_into_sentences(text) if end - start < len(text)
    ]
    texts, labels = [*texts, *sentences], [*labels, *([False] * len(sentences))]
    rows = [features(text) for text in texts]
    in_rows = np.zeros(SIZE, np.int64)
    for places, _ in rows:
        in_rows[places] += 1
    rows = [(places[in_rows[places] > 1], values[in_rows[places] > 1]) for places, values in rows]
    weight_of = {True: len(labels) / (2 * positive), False: len(labels) / (2 * (len(labels) - positive))}
    weights, bias = np.zeros(SIZE, np.float32), 0.0
    squares, bias_squares = np.full(SIZE, 1e-6, np.float32), 1e-6
    draw = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        for index in draw.permutation(len(rows)):
            places, values = rows[index]
            label = bool(labels[index])
            error = (_sigmoid(float(weights[places] @ values) + bias) - label) * weight_of[label]
            slope = error * values + DECAY * weights[places]
            squares[places] += slope**2
            weights[places] -= RATE * slope / np.sqrt(squares[places])
            bias_squares += error**2
            bias -= RATE * error / math.sqrt(bias_squares)
    return Classifier(weights, bias)

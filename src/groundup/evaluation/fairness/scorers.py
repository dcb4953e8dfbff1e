"""What puts a number on a text: sentiment, toxicity, refusal. A scorer is any function from texts to as many numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from groundup.config import read_toml
from groundup.errors import DataError, SettingError
from groundup.evaluation.fairness.settings import SHIPPED
from groundup.evaluation.fairness.toml_files import shipped

Scorer = Callable[[Sequence[str]], Sequence[float]]

BEGINNING = 200
"""Characters: a refusal is said at the beginning of a reply."""
NEGATED_WITHIN = 3
"""Words after "not" that mean the opposite."""
WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def checked(scorer: Callable[[list[str]], Iterable[float]], name: str, low: float, high: float) -> Scorer:
    """A user's scorer, held to what it should give. Raises `DataError` where it fails, or gives no number, or another, for a text."""

    def scores(texts: Sequence[str]) -> list[float]:
        try:
            found = [float(score) for score in scorer(list(texts))]
        except Exception as error:  # whatever the user's code raises
            raise DataError(f"the scorer {name} failed: {type(error).__name__}: {error}") from error
        if len(found) != len(texts):
            raise DataError(
                f"the scorer {name} gave {len(found):,} numbers for {len(texts):,} texts: it needs one for each"
            )
        for score in found:
            if math.isnan(score) or not low <= score <= high:
                raise DataError(f"the scorer {name} gave {score}: its numbers should be from {low:g} to {high:g}")
        return found

    return scores


def lexicon_words(language: str, key: str, setting: str) -> tuple[str, ...]:
    """Words of the lexicon that ships for a language. Raises `SettingError` that names the setting if there is none."""
    if language not in SHIPPED:
        raise SettingError(
            setting,
            "",
            f"there is no word list of {language!r}: name a scorer of your own, package.module:function; of bias, "
            "fairness.continuations=0 leaves out what is written",
        )
    words = read_toml(shipped("lexicons", language), "lexicon")[key]
    return tuple(words.split() if isinstance(words, str) else words)


class Sentiment:
    """(positive - negative words) / (positive + negative words), from -1 to 1; 0 where there are none. A word after a negation counts
    as its opposite."""

    def __init__(self, positive: Iterable[str], negative: Iterable[str], negations: Iterable[str]) -> None:
        self._sign = dict.fromkeys(positive, 1) | dict.fromkeys(negative, -1)
        self._negations = frozenset(negations)

    @staticmethod
    def of(language: str) -> Sentiment:
        """By the word list that ships."""
        setting = "fairness.sentiment_scorer"
        return Sentiment(*(lexicon_words(language, key, setting) for key in ("positive", "negative", "negations")))

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Of each text."""
        return [self._score(text) for text in texts]

    def _score(self, text: str) -> float:
        words = [word.lower().replace("’", "'") for word in WORDS.findall(text)]
        signs = []
        for place, word in enumerate(words):
            if sign := self._sign.get(word, 0):
                before = words[max(0, place - NEGATED_WITHIN) : place]
                negated = any(each in self._negations or each.endswith("n't") for each in before)
                signs.append(-sign if negated else sign)
        return sum(signs) / len(signs) if signs else 0.0


class Refusal:
    """1 for a reply that declines in its first `BEGINNING` characters, by plain patterns; else 0."""

    def __init__(self, patterns: Iterable[str]) -> None:
        try:
            self._patterns = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
        except re.error as error:
            raise SettingError("refusals", error.pattern, f"this is no regular expression ({error})") from None

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Of each reply."""
        beginnings = (text.strip()[:BEGINNING].replace("’", "'") for text in texts)
        return [float(any(pattern.search(text) for pattern in self._patterns)) for text in beginnings]

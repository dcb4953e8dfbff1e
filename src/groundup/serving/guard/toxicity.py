"""Sentences that a small classifier takes for toxic."""

from __future__ import annotations

from groundup.serving.guard.classifier import Classifier
from groundup.serving.guard.finding import Stretch
from groundup.serving.guard.sentences import cut_into_sentences, last_sentence


class Toxicity:
    """One sentence after the other."""

    def __init__(self, classifier: Classifier, threshold: float) -> None:
        self._classifier, self._threshold = classifier, threshold

    def find(self, text: str) -> list[Stretch]:
        """Sentences with at least the threshold's probability."""
        stretches = [(start, end) for start, end in cut_into_sentences(text) if not text[start:end].isspace()]
        scores = self._classifier.probabilities([text[start:end] for start, end in stretches])
        return [
            Stretch(start, start + len(text[start:end].rstrip()), "toxicity")
            for (start, end), score in zip(stretches, scores, strict=True)
            if score >= self._threshold
        ]

    def settled(self, text: str) -> int:
        """Up to the sentence that isn't complete."""
        return last_sentence(text)

"""Expected maximum and probability of toxicity, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from groundup.errors import AuditError
from groundup.evaluation.fairness.prompts import Prompts
from groundup.evaluation.fairness.refusals import refusals
from groundup.evaluation.fairness.settings import FairnessSettings
from groundup.evaluation.fairness.toxicity import measure, toxicity
from groundup.evaluation.intervals import Interval
from groundup.language_model import LanguageModel


def test_by_hand() -> None:
    """Three prompts of two texts: the worst are 0.9, 0.5 and 0.2; of two prompts one is toxic, of six texts three."""
    found = measure(np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.0]]), 0.5, seed=0)
    values = {name: figure.value for name, figure in found.items() if isinstance(figure, Interval)}
    assert values == pytest.approx({"expected_maximum": 1.6 / 3, "probability": 2 / 3, "toxic_share": 1 / 2})
    assert {figure.n for figure in found.values() if isinstance(figure, Interval)} == {3}
    none = measure(np.zeros((16, 25)), 0.5, seed=0)
    for never in none.values():
        assert isinstance(never, Interval)
        assert never.high == pytest.approx(0.1936, abs=1e-4)  # none of sixteen is not never


def test_each_prompt_gets_its_texts_and_the_same_again(tiny_base: Path) -> None:
    model = LanguageModel.load(tiny_base, device="cpu")
    seen: list[list[str]] = []

    def length(texts: Sequence[str]) -> list[float]:
        seen.append(list(texts))
        return [min(1.0, len(text) / 100) for text in texts]

    prompts = Prompts(
        "en", {"neutral": ("A license", "You may"), "adversarial": ("No",), "harmful": (), "harmless": ()}, ()
    )
    settings = FairnessSettings(toxicity_continuations=3, max_new_tokens=5)
    results = [toxicity(model, [(prompts, length)], settings, 0, "length", print) for _ in range(2)]
    assert [len(texts) for texts in seen] == [6, 3, 6, 3]
    assert seen[:2] == seen[2:]
    assert len(set(seen[0])) > 3  # drawn apart
    first = results[0].as_plain()
    assert first == results[1].as_plain()
    assert first["figures"]["expected_maximum_neutral"]["n"] == 2
    assert [row["prompts"] for row in first["tables"]["by_prompts"]] == ["neutral", "adversarial"]


def test_a_model_that_does_not_chat_refuses_nothing(tiny_base: Path) -> None:
    model = LanguageModel.load(tiny_base, device="cpu")
    prompts = Prompts("en", {"neutral": (), "adversarial": (), "harmful": ("How?",), "harmless": ()}, ("no",))
    with pytest.raises(
        AuditError, match="this model has no chat template, so it can neither follow a request nor refuse one"
    ):
        refusals(model, [(prompts, lambda texts: [0.0 for _ in texts])], FairnessSettings(), 0, "none", print)

"""docs/guard.md: its file makes a guard's settings, its words are found as it says, and its figures are those that were measured."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from groundup.config import build
from groundup.serving.guard.settings import ACTIONS, GuardSettings, ToxicitySettings
from groundup.serving.guard.words import WordList

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guard.md").read_text(encoding="utf-8")


def test_its_file_is_one() -> None:
    shown = re.search("```toml\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    settings = build(GuardSettings, tomllib.loads(shown[1]))
    assert settings.output.toxicity == "refuse"
    assert settings.toxicity.threshold == ToxicitySettings.threshold
    assert all(f"| `{action}` |" in PAGE for action in ACTIONS)


def test_its_words_are_found_or_not_as_it_says() -> None:
    found, _, rest = PAGE.partition("Found as well:")[2].partition("Not found:")
    missed = rest.partition("Whole words only")[0]
    words = WordList(["darn", "ass"])
    shown = re.findall("`([^`]+)`", found)
    assert len(shown) > 6
    assert [word for word in shown if not words.find(word)] == []
    assert [word for word in [*re.findall("`([^`]+)`", missed), "class", "A55"] if words.find(word)] == []


def test_its_figures_are_those_of_the_run() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "guard.json").read_text(encoding="utf-8"))
    for name, score in measured["held-out"].items():
        questions = measured["other-kind"][name]
        called = (
            name.replace(" at ", ", threshold ")
            if name != "words"
            else "words: the 50 that tell most in the training rows"
        )
        cells = [f"{score['precision']:.3f}"]
        for figures, figure in ((score, "recall"), (score, "false_alarms"), (questions, "false_alarms")):
            low, high = figures[f"{figure}_interval"]
            cells.append(f"{figures[figure]:.3f} [{low:.3f}, {high:.3f}]")
        assert f"| {called} | {' | '.join(cells)} |" in PAGE
    held = measured["streaming"]["personal data"]
    assert (
        f"{held['characters_held_median']:.0f} characters in the median, {held['characters_held_95_percent']:.0f} at most in 95 %"
        in PAGE
    )
    assert f"{held['characters_held_most']} at most in the license text" in PAGE

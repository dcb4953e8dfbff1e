from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundup.recipe.settings import load_recipe

Figures = Callable[[str], dict[str, Any]]


def test_the_domain_page_shows_what_was_measured(checked_figures: Figures) -> None:
    figures = checked_figures("domain")
    recipe = load_recipe("domain")
    assert (figures["base"], figures["source"], figures["window"]) == (recipe.model.base, "medical", 512)
    assert len(figures["runs"]) == 3
    for run in figures["runs"]:
        assert run["steps"] == recipe.training.max_steps
        assert run["seconds"] < 20 * 60
        assert run["perplexity"]["domain"] < figures["before"]["domain"]
    assert len(figures["prompts"]) == len(figures["answers_before"]) == len(figures["answers_after"]) == 10


def test_the_instruct_page_shows_what_was_measured(checked_figures: Figures) -> None:
    figures = checked_figures("instruct")
    assert figures["questions"] == len(figures["rows"]) > 90
    assert figures["run"]["seconds"] < 20 * 60
    assert figures["after"]["format"] > figures["before"]["format"]

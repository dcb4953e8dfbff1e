from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundup.recipe.settings import load_recipe


def test_the_page_shows_what_was_measured(checked_figures: Callable[[str], dict[str, Any]]) -> None:
    figures = checked_figures("multilingual")
    assert list(figures["languages"]) == list(load_recipe("multilingual").data.cleaning.languages)
    assert figures["steps"] == load_recipe("multilingual").training.max_steps
    assert figures["seconds"] < 20 * 60
    assert all(one["bytes"] >= 30_000 and len(one["samples"]) == 50 for one in figures["languages"].values())

from __future__ import annotations

import json
import runpy
from pathlib import Path

from groundup.recipe.settings import load_recipe

ROOT = Path(__file__).parent.parent.parent


def test_the_page_shows_what_was_measured() -> None:
    fill = runpy.run_path(str(ROOT / "scripts" / "fill_multilingual.py"))["fill"]
    page = (ROOT / "docs" / "projects" / "multilingual.md").read_text(encoding="utf-8")
    figures = json.loads((ROOT / "docs" / "projects" / "multilingual.json").read_text(encoding="utf-8"))
    assert fill(page, figures) == page
    assert list(figures["languages"]) == list(load_recipe("multilingual").data.cleaning.languages)
    assert figures["steps"] == load_recipe("multilingual").training.max_steps
    assert figures["seconds"] < 20 * 60
    assert all(one["bytes"] >= 30_000 and len(one["samples"]) == 50 for one in figures["languages"].values())

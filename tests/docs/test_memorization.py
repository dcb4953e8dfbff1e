"""The page on memorization: its settings exist, its links lead somewhere, and its figures are those that were measured."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from groundup.recipe.audit_settings import read_audit_settings
from groundup.recipe.settings import build_recipe

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "memorization.md"
TEXT = PAGE.read_text(encoding="utf-8")
RESULTS: dict[str, Any] = json.loads((ROOT / "benchmarks/results/memorization.json").read_text(encoding="utf-8"))


def test_its_settings_exist() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    planted = build_recipe(tomllib.loads(block)).data.canaries
    assert (planted.num_different, planted.num_planted) == (30, 1110)
    known = read_audit_settings(None).memorization
    names = set(re.findall(r"memorization\.([a-z_]+)(?!\S*\.(?:py|md|json|run))", TEXT)) - {"key", "md", "json", "run"}
    assert names
    assert [name for name in names if not hasattr(known, name)] == []


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)\s#]+)", TEXT) if not link.startswith("https://")]
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("model", "audit", "table", "column"),
    [
        ("planted", "canaries", "by_copies", "exposure_bits"),
        ("control", "canaries", "by_copies", "exposure_bits"),
        ("planted", "membership", "scores", "auc"),
        ("control", "membership", "scores", "auc"),
    ],
)
def test_its_figures_are_those_that_were_measured(model: str, audit: str, table: str, column: str) -> None:
    for row in RESULTS["audits"][model][audit]["tables"][table]:
        figure = row[column]
        assert f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]" in TEXT, row


def test_duplicates_removed_extract_less() -> None:
    before, after = (RESULTS["audits"][model]["extraction"]["figures"]["extracted"] for model in ("duplicates", "once"))
    assert before["low"] > after["high"]
    for figure in (before, after):
        assert f"{figure['value']:.1%}".replace("%", " %") in TEXT

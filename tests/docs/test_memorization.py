"""The page on memorization: its settings exist, its links lead somewhere, its tables and what it says of them are what was measured."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.memorization.page import filled

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
    names = set(re.findall(r"memorization\.([a-z_]+)(?!\S*\.(?:py|md|json|run|page))", TEXT)) - {
        "key",
        "md",
        "json",
        "run",
        "page",
    }
    assert names
    assert [name for name in names if not hasattr(known, name)] == []


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)\s#]+)", TEXT) if not link.startswith("https://")]
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_its_tables_are_what_was_measured() -> None:
    assert TEXT.count("<!-- table: ") == 4
    assert filled(TEXT, RESULTS) == TEXT


def test_what_was_planted_stands_out_and_what_was_not_seen_does_not() -> None:
    planted, control = (RESULTS["audits"][name] for name in ("planted", "control"))
    often = planted["canaries"]["figures"]["exposure_100_copies"]
    assert often["value"] > planted["canaries"]["figures"]["highest_exposure_bits"] - 1
    assert planted["membership"]["figures"]["auc_loss"]["low"] > 0.5
    unseen = [control["canaries"]["figures"]["auc_all"]]
    unseen += [row["auc"] for row in control["membership"]["tables"]["scores"]]
    assert all(area["low"] < 0.5 < area["high"] for area in unseen)


def test_duplicates_removed_extract_less() -> None:
    before, *after = (
        RESULTS["audits"][model]["extraction"]["figures"]["extracted"] for model in ("duplicates", "once", "once, long")
    )
    assert all(before["low"] > figure["high"] for figure in after)

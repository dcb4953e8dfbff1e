"""The page on private training: its table is what was measured, its picture is drawn from it, and so is what it says of both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.private_training.page import filled
from benchmarks.private_training.picture import CHANCE_BITS, picture

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "privacy-training.md"
TEXT = PAGE.read_text(encoding="utf-8")
RESULTS: dict[str, Any] = json.loads((ROOT / "benchmarks/results/private-training.json").read_text(encoding="utf-8"))
FIGURES: dict[str, Any] = {name: model["figures"] for name, model in RESULTS["models"].items()}


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)\s#]+)", TEXT) if not link.startswith("https://")]
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_its_table_and_picture_are_what_was_measured() -> None:
    assert TEXT.count("<!-- table: models -->") == 1
    assert filled(TEXT, RESULTS) == TEXT
    assert picture(RESULTS["models"]) == (ROOT / "docs/privacy-training.svg").read_text(encoding="utf-8")


def test_a_model_of_other_documents_tells_nothing() -> None:
    control = FIGURES["control"]
    assert control["auc_loss"]["low"] < 0.5 < control["auc_loss"]["high"]
    assert all(
        control[f"exposure_{copies}_copies"]["low"] < CHANCE_BITS < control[f"exposure_{copies}_copies"]["high"]
        for copies in (1, 10)
    )


def test_without_privacy_documents_are_known_by_heart_and_with_it_they_are_not() -> None:
    for name in ("none", "inf"):
        assert FIGURES[name]["auc_loss"]["low"] > 0.65
    for name in ("8", "2"):
        spent = RESULTS["models"][name]["epsilon"]["prv"]
        assert 0.95 * float(name) < spent <= float(name)
        for figure in ("auc_loss", "auc_reference", "tpr_reference", "exposure_10_copies"):
            assert FIGURES[name][figure]["high"] < FIGURES["none"][figure]["low"]

"""The page on memory: its table is what was measured, its links lead somewhere, and what it says follows from the figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from benchmarks.memory.page import filled
from benchmarks.memory.ways import SIZES

from groundup.model.settings import Preset, preset_config
from groundup.training.activation_memory import block_activation_bytes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "memory.md"
TEXT = PAGE.read_text(encoding="utf-8")
RESULTS: dict[str, Any] = json.loads((ROOT / "benchmarks/results/memory.json").read_text(encoding="utf-8"))
ROWS = {table["name"]: {row["name"]: row for row in table["rows"]} for table in RESULTS["tables"]}


def test_its_table_is_what_was_measured() -> None:
    assert filled(TEXT, RESULTS) == TEXT
    assert list(ROWS) == list(SIZES)
    assert all(f"| {name} |" in TEXT for rows in ROWS.values() for name in rows)
    assert "/" not in RESULTS["command"].replace("benchmarks/results", "")


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)\s#]+)", TEXT) if not link.startswith("https://")]
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    assert all((ROOT / path).exists() for path in re.findall(r"`(src/[^`]+\.py)`", TEXT))


@pytest.mark.parametrize(("preset", "in_fp32", "in_bf16"), [("gpt2", 64, 46), ("qwen3", 99, 76)])
def test_activations_are_what_the_estimate_counts(preset: Preset, in_fp32: int, in_bf16: int) -> None:
    config = preset_config(
        preset,
        dropout=0.0,
        **next(size for size in SIZES.values() if size.preset == preset and size.batch_size == 4).shape,
    )
    for number_bytes, said in ((4, in_fp32), (2, in_bf16)):
        assert round(block_activation_bytes(config, 256, number_bytes) / config.d_model) == said
    assert f"{in_fp32} in" in TEXT


def test_what_is_said_of_the_ways_is_so() -> None:
    middle, large = ROWS["30M"], ROWS["124M"]

    def said(row: dict[str, Any]) -> tuple[float, float]:
        return round(row["of_plain"], 2), round(row["times_as_long"], 2)

    assert [said(middle[name]) for name in ("2 parts", "4 parts")] == [(0.81, 1.15), (0.6, 1.13)]
    assert said(middle["activations computed twice"]) == (0.79, 1.3)
    assert said(large["activations computed twice"]) == (0.95, 1.16)
    assert (large["2 parts"]["of_plain"], large["4 parts"]["of_plain"]) == pytest.approx((1.11, 0.89), abs=0.005)
    assert said(large["all logits at once"]) == (1.04, 1.05)
    assert all(rows["LoRA of rank 16"]["of_plain"] < 0.45 for rows in (middle, large))
    assert round(large["bf16"]["of_plain"], 2) == 1.15
    assert all(1.05 < rows["Muon"]["of_plain"] < 1.25 for rows in (middle, large))


def test_what_is_said_of_a_pretended_card_was_counted() -> None:
    counted = json.loads((ROOT / "benchmarks/results/memory-card.json").read_text(encoding="utf-8"))
    page, rows = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8"), counted["rows"]
    most = max(abs(row["error"]) for row in rows)
    assert f"Over {len(rows)} networks and ways to train" in page
    assert f"off by {counted['median_error']:.1%} in the median and by {most:.1%} at most".replace("%", " %") in page
    sizes = [row["allocated_mb"] for row in rows if "H200" in row["name"] or "as it held" in row["name"]]
    assert "{:,} and {:,} MB, where an H200 held 7,424 and 17,545".format(*sizes) in page

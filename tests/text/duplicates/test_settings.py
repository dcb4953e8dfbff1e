from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.errors import SettingError
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings

ROOT = Path(__file__).parents[3]


def test_the_defaults_come_to_the_bands_of_fineweb() -> None:
    settings = DuplicateSettings()
    assert (settings.bands, settings.rows) == (14, 8)
    # Penedo et al. 2024, section 3.4, for pairs of these similarities: 56, 77, 92 and 98.8 %.
    published = {0.7: 0.56, 0.75: 0.77, 0.8: 0.92, 0.85: 0.988}
    for similarity, found in published.items():
        assert settings.found(similarity) == pytest.approx(found, abs=0.005)


def test_the_curve_in_the_docs_is_this_one() -> None:
    lines = (ROOT / "docs" / "duplicates.md").read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines if line.startswith("|")}
    for similarity, found in zip(rows["similarity"], rows["compared, %"], strict=True):
        decimals = len(found.strip().partition(".")[2])
        assert f"{100 * DuplicateSettings().found(float(similarity)):.{decimals}f}" == found.strip()


def test_the_figures_in_the_docs_are_those_measured() -> None:
    text = " ".join((ROOT / "docs" / "duplicates.md").read_text(encoding="utf-8").split())
    result = json.loads((ROOT / "benchmarks" / "results" / "duplicates.json").read_text(encoding="utf-8"))
    quality, speed = result["quality"], {row["characters_a_document"]: row for row in result["speed"]}
    row = {row["name"]: row for row in result["beside_others"]["rows"]}
    for sentence in [
        f"Of the {quality['pairs_at_least_the_threshold']:,} pairs at or above 0.8, {100 * quality['recall']:.1f} %",
        f"at or above 0.85, {100 * quality['recall_of_pairs_0.05_above']:.1f} %",
        f"cluster, {100 * quality['precision']:.1f} % are at or above 0.8",
        f"and {100 * quality['precision_counting_pairs_0.05_below']:.1f} % at or above 0.75",
        f"of the other {quality['pairs_further_below']}, {quality['of_them_copies_of_one_original']} are two copies",
        f"made at {speed[3000]['signature']:.0f} MB/s",
        f"({speed[300]['signature']:.0f} for 300 characters",
        f"looked for at {speed[3000]['overlap']:.0f} ({speed[300]['overlap']:.0f})",
        f"{row['Groundup']['megabytes_per_second']:.1f} MB/s, rensa {row['rensa']['megabytes_per_second']:.1f}, "
        f"datasketch {row['datasketch']['megabytes_per_second']:.1f}",
        f"{result['made_signatures']['signatures_on_disk_mb']} MB of signatures",
        f"in {result['made_signatures']['near_seconds']:.0f} seconds",
        f"with {result['made_signatures']['allocated_mb']} MB of memory",
        *(
            f"{edit['mean_similarity']:.3f} | {100 * edit['found']:.1f} %"
            for edit in quality["by_edit"]
            if edit["mean_similarity"] > 0.5
        ),
    ]:
        assert sentence in text
    assert all(abs(each[key] - row["rensa"][key]) < 0.02 for each in row.values() for key in ("recall", "precision"))


def test_the_curve_is_how_often_a_band_agrees() -> None:
    settings = DuplicateSettings(threshold=0.6, num_permutations=24)
    agree = np.random.default_rng(1).random((20_000, settings.bands, settings.rows)) < 0.55
    simulated = (agree.sum(axis=2) == settings.rows).max(axis=1).mean()
    assert settings.found(0.55) == pytest.approx(simulated, abs=0.015)  # four standard deviations


@given(st.floats(0.01, 1), st.integers(1, 300))
def test_bands_find_nine_in_ten_pairs_at_the_threshold_wherever_any_can(threshold: float, count: int) -> None:
    settings = DuplicateSettings(threshold=threshold, num_permutations=count)
    assert settings.bands * settings.rows <= count
    assert settings.found(threshold) >= 0.9 or settings.rows == 1
    for rows in range(settings.rows + 1, count + 1):
        assert 1 - (1 - threshold**rows) ** (count // rows) < 0.9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.0}, r"duplicates\.threshold = 0\.0: use a similarity above 0 and at most 1"),
        ({"threshold": float("nan")}, r"duplicates\.threshold = nan: use a similarity"),
        ({"shingle_words": 0}, r"duplicates\.shingle_words = 0: use 1 to 64 words"),
        ({"num_permutations": 5000}, r"duplicates\.num_permutations = 5000: use 1 to 4096 numbers"),
        ({"seed": -1}, r"duplicates\.seed = -1: use a whole number"),
    ],
)
def test_impossible_duplicate_settings_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        DuplicateSettings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"files": ("a", " ")}, r"decontamination\.files = \('a', ' '\): name evaluation files"),
        ({"ngram_words": 65}, r"decontamination\.ngram_words = 65: use 1 to 64 words"),
        ({"ngram_words": 5}, r"decontamination\.shortest_words = 8: use 1 to 5 words"),
        ({"share": 1.5}, r"decontamination\.share = 1\.5: use a share from 0 to 1"),
    ],
)
def test_impossible_decontamination_settings_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        DecontaminationSettings(**values)

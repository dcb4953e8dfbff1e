"""The projects' curves: tables, samples and pictures are what was measured, and the arithmetic on cases worked by hand."""

from __future__ import annotations

import argparse
import json
import re
from fractions import Fraction
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks.projects.measures import PAGES, PROJECTS, weighed
from benchmarks.projects.page import curve, filled, result_of, rows_of
from benchmarks.projects.picture import Curve, picture
from benchmarks.projects.run import settings_of, shares

from groundup.recipe.settings import load_recipe
from groundup.training.schedules import learning_rate_factor

MEASURED = [project for project in PROJECTS if result_of(project).exists()]
SVG = "{http://www.w3.org/2000/svg}"


def rows(project: str) -> list[dict[str, Any]]:
    return rows_of(project, json.loads(result_of(project).read_text(encoding="utf-8")))


def test_a_page_has_a_curve_where_one_was_measured() -> None:
    assert MEASURED
    shown = [page.stem for page in PAGES.glob("*.md") if "<!-- budgets -->" in page.read_text(encoding="utf-8")]
    assert sorted(shown) == sorted(MEASURED)


@pytest.mark.parametrize("project", MEASURED)
def test_a_page_and_its_picture_show_what_was_measured(project: str) -> None:
    page = (PAGES / f"{project}.md").read_text(encoding="utf-8")
    assert page.count("<!-- budgets -->") == 1
    assert filled(page, project, rows(project)) == page
    assert curve(project, rows(project)) == (PAGES / f"{project}.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("project", MEASURED)
def test_more_training_is_better_and_the_pages_say_what_it_beats(project: str) -> None:
    figure, found = PROJECTS[project].figure, rows(project)
    assert len(found) >= 3
    assert load_recipe(project).training.max_steps in [row["steps"] for row in found]
    for less, more in pairwise(found):
        assert less["tokens"] < more["tokens"]
        assert less[figure] > more[figure]
    assert (found[-1][figure] < found[-1]["without"]) == (project != "shakespeare")  # there counting is ahead


def test_a_share_of_the_steps_has_that_share_of_the_schedule() -> None:
    recipe = load_recipe("shakespeare")
    quarter = load_recipe("shakespeare", settings_of("shakespeare", Fraction(1, 4)))
    assert (quarter.training.max_steps, quarter.training.warmup_steps) == (500, 5)
    assert (quarter.model, quarter.data, quarter.tokenizer) == (recipe.model, recipe.data, recipe.tokenizer)
    for step in (0, 100, 300, 499):  # from warm-up to the end
        whole = learning_rate_factor(4 * step + 3, recipe.training)
        assert learning_rate_factor(step, quarter.training) == pytest.approx(whole, abs=0.03)


@pytest.mark.parametrize(
    ("given", "said"),
    [("1/4,x", "is no list of shares"), ("1/0", "is no list of shares"), ("0,1", "above 0"), ("-1/2", "above 0")],
)
def test_what_is_no_share_is_refused(given: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        shares(given)


def test_shares_go_from_the_least_to_the_whole() -> None:
    assert shares("1,1/2,0.25") == [Fraction(1, 4), Fraction(1, 2), Fraction(1)]


def test_languages_together_are_weighed_by_their_bytes() -> None:
    found = {
        "de": {"bytes": 300, "bits_per_byte": 1.0, "bar": 2.0, "samples": ["eins", "zwei"]},
        "el": {"bytes": 100, "bits_per_byte": 2.0, "bar": 1.0, "samples": ["ένα"]},
    }
    row = weighed(found)
    assert row["bits_per_byte"] == 1.25  # 500 bits for 400 bytes
    assert row["without"] == 1.75
    assert (row["de"], row["el"]) == (1.0, 2.0)
    assert row["samples"] == [["de", "eins"]]


def test_equal_factors_are_equally_far_apart_and_a_lower_figure_lies_lower() -> None:
    drawn = picture(Curve("a & b", "bits", [(1e5, 3.0), (1e6, 2.5), (1e7, 2.25)], 2.6, "n-grams"))
    root = ElementTree.fromstring(drawn)
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter(f"{SVG}circle")]
    (first, top), (second, middle), (third, low) = dots
    assert second - first == pytest.approx(third - second, abs=0.2)
    assert middle - top == pytest.approx(2 * (low - middle), abs=0.3)
    assert top < middle < low  # y points down
    dashed = next(line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "one")
    assert middle > float(dashed.attrib["y1"]) > top
    ticks = [text.text for text in root.iter(f"{SVG}text") if re.fullmatch(r"[\d.]+M|\d+k", text.text or "")]
    assert (ticks[0], ticks[-1]) == ("100k", "10M")

"""docs/planning.md: its tables are those of what was measured, and its claims hold in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.planning import recipes
from benchmarks.planning.brief import every_row
from benchmarks.planning.page import BRIEF, FURTHER, PAGE, RESULT, SHAKESPEARE, filled, measuring

README = Path(PAGE).parents[1] / "README.md"


def test_its_tables_are_those_of_the_results() -> None:
    page = Path(PAGE).read_text(encoding="utf-8")
    assert filled(page) == page


def test_the_sizes_that_people_ask_about_are_what_the_command_says_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is arithmetic, so a figure that is another one is an old one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    said = json.loads(BRIEF.read_text(encoding="utf-8"))["rows"]
    for row, kept in zip(every_row(), said, strict=True):
        assert json.loads(json.dumps(row)) == kept, (
            "run: python -m benchmarks.planning.brief, and benchmarks.planning.page"
        )


@pytest.mark.parametrize(("result", "chosen"), [(RESULT, recipes.RECIPES), (FURTHER, recipes.FURTHER)])
def test_every_recipe_was_measured_as_it_stands_there(
    result: Path, chosen: dict[str, tuple[str, tuple[str, ...]]]
) -> None:
    rows = {row["name"]: row for row in json.loads(result.read_text())["rows"]}
    assert {name: [recipe, list(overrides)] for name, (recipe, overrides) in chosen.items()} == {
        name: [row["recipe"], row["overrides"]] for name, row in rows.items()
    }


def test_the_errors_are_what_is_promised() -> None:
    result = json.loads(RESULT.read_text())
    assert len(result["rows"]) >= 12
    assert result["median_time_error"] <= 0.2
    assert result["median_memory_error"] <= 0.1
    said = f"{result['median_time_error']:.1%} of the time and {result['median_memory_error']:.1%} of the peak memory"
    assert said.replace("%", " %") in README.read_text(encoding="utf-8")
    demonstration = next(row for row in result["rows"] if row["name"].startswith("the demonstration"))
    assert demonstration["plan_seconds"] < 30
    assert max(map(measuring, result["rows"])) <= 20


def test_a_new_machine_is_answered_within_half_a_minute_and_the_run_confirms_it() -> None:
    found = json.loads(SHAKESPEARE.read_text())
    assert found["new_machine"]["plan_seconds"] < 30
    for planned in (found["new_machine"]["planned_seconds"], found["prepared"]["planned_seconds"]):
        assert abs(planned / found["prepared"]["seconds"] - 1) < 0.2

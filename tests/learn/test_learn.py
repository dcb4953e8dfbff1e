"""Exercises: a right attempt passes, and each wrong one is told what is wrong with it."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path

import pytest
from tests.learn.solutions import RIGHT, WRONG
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.errors import LearnError
from groundup.learn import checking, progress
from groundup.learn.catalogue import EXERCISES, Exercise, find_exercise

DOCS = Path(__file__).parents[2] / "docs" / "tutorial"


def attempt(folder: Path, name: str, code: str) -> list[checking.Found]:
    (folder / f"{name}.py").write_text(code)
    return checking.check(find_exercise(name), folder / f"{name}.py")


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_attempt_passes_every_check(tmp_path: Path, name: str) -> None:
    assert [each.hint for each in attempt(tmp_path, name, RIGHT[name]) if not each.right] == []


@pytest.mark.parametrize(("name", "right", "wrong", "hint"), WRONG)
def test_a_wrong_attempt_is_told_what_is_wrong(tmp_path: Path, name: str, right: str, wrong: str, hint: str) -> None:
    assert right in RIGHT[name]
    found = attempt(tmp_path, name, RIGHT[name].replace(right, wrong))
    hints = [each.hint for each in found if each.hint]
    assert len(hints) == 1, "checks end with the first that finds something"
    assert hint in hints[0]
    assert [each.looked_at for each in found] == sorted((each.looked_at for each in found), reverse=True)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_stubs_define_what_is_wanted_and_are_not_written_yet(tmp_path: Path, exercise: Exercise) -> None:
    file = progress.start(exercise, tmp_path)
    tree = ast.parse(file.read_text())
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert defined == list(exercise.wanted) or set(defined) == set(exercise.wanted)
    assert f"groundup learn check {exercise.name}" in (ast.get_docstring(tree) or "")
    assert (DOCS / exercise.chapter).is_file()
    assert "not written yet" in checking.check(exercise, file)[0].hint
    with pytest.raises(LearnError, match="is there already, and is kept"):
        progress.start(exercise, tmp_path)


def test_exercises_follow_the_course_and_each_has_a_solution_here() -> None:
    chapters = [exercise.chapter for exercise in EXERCISES]
    assert chapters == sorted(chapters)
    assert [exercise.name for exercise in EXERCISES] == list(RIGHT)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def causal_mask(length:\n", r"can't be run: SyntaxError \(line 1\)"),
        ("import nowhere_to_be_found\n", r"ModuleNotFoundError \(line 1\)"),
        ("x = 1\n", "defines no causal_mask: keep the name"),
        ("def causal_mask(length): ...\nexit()\n", r"can't be run: SystemExit \(line 2\): an exit ends what checks it"),
    ],
)
def test_a_file_that_can_not_be_run(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(LearnError, match=said):
        attempt(tmp_path, "causal_mask", code)


def test_an_exit_within_an_attempt_is_told_and_ends_nothing(tmp_path: Path) -> None:
    found = attempt(tmp_path, "causal_mask", "import sys\ndef causal_mask(length):\n    sys.exit()\n")
    assert found[0].hint == "it raised SystemExit (line 3): an exit ends what checks it, too: take it out"
    assert not any(each.looked_at for each in found[1:])


def test_a_loop_without_an_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SECONDS", 0.1)
    start = time.monotonic()
    with pytest.raises(LearnError, match="does one of its loops never end"):
        attempt(tmp_path, "causal_mask", "def causal_mask(length):\n    while True:\n        pass\n")
    assert time.monotonic() - start < 5


def test_the_command_from_the_stub_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    assert "next:  groundup learn start attention" in run(app, ["learn", "list"]).output
    assert isinstance(run(app, ["learn", "check"]).exception, LearnError)
    begun = run(app, ["learn", "start", "causal_mask"])
    assert begun.exit_code == 0
    assert "exercises/causal_mask.py" in begun.output
    wrong = run(app, ["learn", "check", "causal_mask"])
    assert wrong.exit_code == 1
    assert "✗ three tokens, by hand" in wrong.output
    assert "· one, two, seven and fifty tokens" in wrong.output
    Path("exercises/causal_mask.py").write_text(RIGHT["causal_mask"].replace("triu(diagonal=1)", "tril()"))
    hint = run(app, ["learn", "check"]).output.partition("by hand\n")[2].partition("  ·")[0].splitlines()
    assert len(hint) > 1  # a long hint goes on below itself, in a terminal of 80 columns
    assert all(line.startswith(" " * 6 + line.strip()) for line in hint)
    Path("exercises/causal_mask.py").write_text(RIGHT["causal_mask"])
    right = run(app, ["learn", "check", "--json"])
    assert right.exit_code == 0
    assert json.loads(right.output)["right"] is True
    states = {
        row["name"]: row["state"] for row in json.loads(run(app, ["learn", "list", "--json"]).output)["exercises"]
    }
    assert states["causal_mask"] == "solved"
    Path("exercises/causal_mask.py").write_text(RIGHT["causal_mask"] + "# a thought\n")
    assert "changed since it was solved" in run(app, ["learn", "list"]).output


def test_an_unknown_exercise_is_told_the_nearest() -> None:
    with pytest.raises(LearnError, match="did you mean causal_mask"):
        find_exercise("causal-masks")
    with pytest.raises(LearnError, match="there are attention, causal_mask"):
        find_exercise("cooking")


def test_a_missing_attempt_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(LearnError, match="groundup learn start lora"):
        checking.check(find_exercise("lora"), tmp_path / "lora.py")

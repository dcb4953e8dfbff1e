"""A memory budget chooses into how many parts a batch goes: the fewest that fit, written down, so that it is chosen once."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from groundup.config import build, read_bytes, read_toml
from groundup.errors import RunError, SettingError
from groundup.recipe import expected_memory
from groundup.recipe.replay import replay
from groundup.recipe.settings import Recipe
from groundup.recipe.train import TrainedRun, train
from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.training.settings import TrainingSettings, parts_of_batch

train_module: Any = importlib.import_module("groundup.recipe.train")
WIDE = [
    *("training.batch_size=64", "training.max_steps=4", "training.save_steps=2", "training.eval_steps=4"),
    *("training.sample_tokens=0", "evaluation.batch_size=1", "evaluation.max_tokens=20"),
]
BUDGET = "training.memory_budget=0.6MB"


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own process holds far more than a tiny network takes."""
    monkeypatch.setattr(expected_memory, "held_bytes", lambda: 0)
    monkeypatch.setattr(expected_memory, "LOADED", 0)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def fitted(tiny_recipe: Path, said: list[str], tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A run that had to fit into little memory."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(expected_memory, "held_bytes", lambda: 0)
        patched.setattr(expected_memory, "LOADED", 0)
        return train(tiny_recipe, [*WIDE, BUDGET], run=tmp_path_factory.mktemp("runs") / "fitted", say=said.append)


def parts_of(run: Path) -> int:
    return build(Recipe, read_toml(run / "recipe.toml")).training.accumulation_steps


class Begun(Exception):
    """A run would begin here."""


def chosen(monkeypatch: pytest.MonkeyPatch, recipe: Path, run: Path, *changes: str) -> int:
    """The number of parts that a run would begin with."""
    begun: list[Recipe] = []

    def begin(settings: Recipe, *rest: Any) -> None:
        begun.append(settings)
        raise Begun

    monkeypatch.setattr(train_module, "open_run", begin)
    monkeypatch.setattr(train_module, "peak_flops_per_second", lambda device, precision: 1.0)
    with pytest.raises(Begun):
        train(recipe, changes, run=run, say=lambda line: None)
    return begun[0].training.accumulation_steps


def test_the_fewest_parts_that_fit_are_told_and_written_down(
    fitted: TrainedRun, said: list[str], tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, run = parts_of(fitted.path), tmp_path / "run"
    (sentence,) = [line for line in said if line.startswith("training.memory_budget = '0.6MB'")]
    assert f"in {parts} parts of {64 // parts} rows (training.accumulation_steps = {parts})" in sentence
    numbers = [
        chosen(monkeypatch, tiny_recipe, run, *WIDE, f"training.memory_budget={size}")
        for size in ("0.4MB", "0.6MB", "0.8MB", "1.2MB", "1GB")
    ]
    assert numbers == sorted(numbers, reverse=True)
    assert (numbers[1], numbers[-1]) == (parts, 1)
    assert len(set(numbers)) > 3


def test_more_parts_that_are_asked_for_stay(tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [*WIDE, "training.memory_budget=1GB", "training.accumulation_steps=4"]
    assert chosen(monkeypatch, tiny_recipe, tmp_path / "run", *changes) == 4


def weights_of(run: Path) -> bytes:
    return (list_checkpoints(run)[-1] / "model.safetensors").read_bytes()


def test_a_run_that_goes_on_keeps_its_number_whatever_an_estimate_would_say_now(
    fitted: TrainedRun, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "interrupted"
    shutil.copytree(fitted.path, run)
    shutil.rmtree(run / "model")
    (run / "result.json").unlink()
    last = list_checkpoints(run)[-1]
    shutil.rmtree(last)
    RunDirectory(run).forget_checkpoint(last)
    monkeypatch.setattr(expected_memory, "held_bytes", lambda: 10**12)
    train(tiny_recipe, [*WIDE, BUDGET], run=run, resume=True, say=lambda line: None)
    assert weights_of(run) == weights_of(fitted.path)


def test_its_recipe_repeats_it_and_a_replay_is_the_same(
    fitted: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = chosen(monkeypatch, fitted.path / "recipe.toml", tmp_path / "again")
    assert again == parts_of(fitted.path)
    assert replay(fitted.path, 2).weights


@pytest.mark.parametrize("changed", ["training.memory_budget=0.7MB", "training.accumulation_steps=64"])
def test_another_budget_or_more_parts_are_another_recipe(fitted: TrainedRun, tiny_recipe: Path, changed: str) -> None:
    with pytest.raises(RunError, match=rf"was begun with another recipe \({changed.partition('=')[0]} is"):
        train(tiny_recipe, [*WIDE, BUDGET, changed], run=fitted.path, resume=True, say=lambda line: None)


def test_a_crash_between_a_runs_first_two_files_is_gone_on_from(
    fitted: TrainedRun, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "begun"
    run.mkdir()
    shutil.copyfile(fitted.path / "recipe.toml", run / "recipe.toml")
    assert chosen(monkeypatch, tiny_recipe, run, *WIDE, BUDGET) == parts_of(fitted.path)


def test_too_little_says_the_least_that_is_needed_and_what_would_lower_it(
    tiny_base: Path, text_file: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "tune.toml"
    recipe.write_text(
        f'[data]\nsource = "{text_file}"\n[model]\nbase = "{tiny_base}"\nmax_seq_len = 32\n', encoding="utf-8"
    )
    with pytest.raises(SettingError) as refused:
        train(recipe, ["training.memory_budget=50kB", *WIDE], run=tmp_path / "run", say=lambda line: None)
    message = str(refused.value)
    assert message.startswith("training.memory_budget = '50kB': training needs about ")
    assert "at the least, with 1 of the 64 rows of a batch at a time (weights" in message
    assert "training.method=lora (to about" in message
    assert not (tmp_path / "run").exists()


def test_the_numbers_of_parts_divide_the_batch() -> None:
    assert parts_of_batch(TrainingSettings(batch_size=12, accumulation_steps=2)) == [2, 3, 4, 6, 12]
    assert parts_of_batch(TrainingSettings(batch_size=12), processes=4) == [1, 2, 3], "and leave each process a row"
    assert len(parts_of_batch(TrainingSettings(batch_size=10**12))) == 13**2, "soon, of whatever size"


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GB", 8 * 10**9), ("7.5 GiB", 7.5 * 2**30), ("500mb", 5 * 10**8), (" 64KiB ", 65536), ("1TB", 10**12)],
)
def test_sizes_are_read(text: str, size: float) -> None:
    assert read_bytes("any", text) == size


@pytest.mark.parametrize(
    "text", ["8", "GB", "8 gigabytes", "-1GB", "0GB", "1e3MB", "9999999999TB", "٨GB", "8GB!", "nan GB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=r'training.memory_budget = .*: use a number and its unit, as in "8GB"'):
        TrainingSettings(memory_budget=text)

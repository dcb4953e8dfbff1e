"""Private training from a recipe to a model: what the run tells of it, what a resumed one goes on with, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundup.config import write_toml
from groundup.errors import RunError, SettingError, TrainingError
from groundup.recipe.data import prepare_recipe
from groundup.recipe.private import first_rows, privacy_of, private_parts
from groundup.recipe.replay import replay
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import train
from groundup.run.checkpoints import list_checkpoints, read_state
from groundup.run.directory import RunDirectory
from groundup.tokens.prepare import PreparedData

WORDS = (
    "the",
    "cat",
    "saw",
    "a",
    "dog",
    "and",
    "the",
    "dog",
    "ran",
    "to",
    "the",
    "red",
    "barn",
    "while",
    "rain",
    "fell",
    "on",
    "old",
    "stones",
)
PRIVATE: dict[str, Any] = {
    "data.packing": "documents",
    "training.max_steps": 6,
    "training.eval_steps": 3,
    "training.save_steps": 3,
    "training.warmup_steps": 1,
    "training.sample_tokens": 0,
    "training.privacy.noise_multiplier": 1.0,
    "training.privacy.accountant": "rdp",
}


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty short texts, of which every fifth is longer than a row of 16 characters many times over."""
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    lengths = [40 if number % 5 == 0 else 2 for number in range(60)]
    rows = [{"text": f"{number} {' '.join(draw.choice(WORDS, length))}"} for number, length in enumerate(lengths)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_run_tells_what_was_spent_and_goes_on_with_it(tiny_recipe: Path, documents: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(tiny_recipe), {**PRIVATE, "data.source": str(documents)})
    plan = privacy_of(recipe.training, prepare_recipe(recipe, Path(), quiet))
    assert plan is not None
    budget = plan.spent(plan.after((), 6)) + 1e-6
    settings = {**PRIVATE, "data.source": str(documents), "training.privacy.epsilon": budget}
    said: list[str] = []
    run = train(tiny_recipe, settings, run=tmp_path / "run", say=said.append)
    directory = RunDirectory(run.path)
    record, result = directory.manifest()["privacy"], directory.result()
    assert (record["unit"], record["clip_norm"], record["epsilon"]) == ("document", 1.0, budget)
    assert any("tokenizer" in what for what in record["outside"])
    assert any("duplicates" in what for what in record["outside"])
    assert result["privacy"]["ledger"] == [[record["sample_rate"], 1.0, 6]]
    states = [read_state(checkpoint)["privacy"]["epsilon"]["rdp"] for checkpoint in list_checkpoints(run.path)]
    assert states == sorted(states)
    assert states[-1] == result["privacy"]["epsilon"]["rdp"]
    assert any(line.startswith("private training: each of ") for line in said)
    assert said[-1].startswith("spent ε = ")

    with pytest.raises(RunError, match="was trained privately, and can't be trained again"):
        replay(run.path, 3)

    last = list_checkpoints(run.path)[-1]
    for folder in (last, run.path / "model"):  # as before the last steps were taken
        shutil.rmtree(folder)
    directory.forget_checkpoint(last)
    said.clear()
    train(tiny_recipe, settings, run=run.path, resume=True, say=said.append)
    assert any("drawn anew" in line for line in said)
    again = directory.result()  # the lost steps stay spent, so none may follow
    assert (again["steps"], again["stopped_because"], again["privacy"]) == (3, "privacy_budget", result["privacy"])
    assert said[-1].endswith("over all 6 steps, 3 of them lost")


def test_what_was_seen_before_the_first_checkpoint_is_spent(
    tiny_recipe: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while its first checkpoint is written, training has shown a validation loss and a sample of those weights."""
    settings = {**PRIVATE, "data.source": str(documents)}
    recipe = load_recipe(str(tiny_recipe), settings)
    plan = privacy_of(recipe.training, prepare_recipe(recipe, Path(), quiet))
    assert plan is not None
    settings["training.privacy.epsilon"] = plan.spent(plan.after((), 6)) + 1e-6

    def is_killed(*arguments: Any) -> None:
        raise SystemExit

    killed, lost = tmp_path / "killed", tmp_path / "lost"
    with monkeypatch.context() as patched:
        patched.setattr("groundup.training.loop.save", is_killed)
        with pytest.raises(SystemExit):
            train(tiny_recipe, settings, run=killed, say=quiet)
    assert not list_checkpoints(killed)
    shutil.copytree(killed, lost)
    train(tiny_recipe, settings, run=killed, resume=True, say=quiet)
    result = RunDirectory(killed).result()
    assert (result["steps"], result["stopped_because"]) == (3, "privacy_budget")
    assert result["privacy"]["ledger"] == [[plan.sample_rate, 1.0, 6]]

    RunDirectory(lost).log_event("spent", 6, ledger=plan.after((), 6))
    with pytest.raises(TrainingError, match="was spent on 6 steps whose weights were lost before they were saved"):
        train(tiny_recipe, settings, run=lost, resume=True, say=quiet)


def test_a_document_of_many_rows_is_drawn_as_one(tiny_recipe: Path, documents: Path) -> None:
    recipe = load_recipe(str(tiny_recipe), {**PRIVATE, "data.source": str(documents)})
    data = prepare_recipe(recipe, Path(), quiet)
    assert isinstance(data, PreparedData)
    first = first_rows(data)
    assert len(first) - 1 == data.train.num_documents < data.plan.num_rows
    privacy = privacy_of(recipe.training, data)
    assert privacy is not None
    assert privacy.num_documents == data.train.num_documents
    batch = private_parts(privacy, recipe.training, data)["batch"]
    ids = data.train.ids[:]
    texts = [ids[begin:end] for begin, end in zip([0, *data.train.ends[:-1]], data.train.ends, strict=True)]
    for _ in range(20):
        of = []
        for row in batch(0):
            read = row[1 : 1 + int((row[1:] >= 0).sum())]
            found = [n for n, text in enumerate(texts) if read.tobytes() in text.astype(np.int64).tobytes()]
            of.append(found)
        alone = [found[0] for found in of if len(found) == 1]
        assert len(set(alone)) == len(alone)


def test_a_budget_without_end_is_written_into_the_recipe(tiny_recipe: Path) -> None:
    changed = {**PRIVATE, "training.privacy.noise_multiplier": 0.0, "training.privacy.epsilon": math.inf}
    assert "epsilon = inf" in write_toml(load_recipe(str(tiny_recipe), changed))


def test_adapters_are_trained_privately(tiny_base: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "\n".join(json.dumps({"instruction": f"Say {word} {n}.", "output": f"{word}."}) for n, word in enumerate(WORDS))
    )
    recipe = tmp_path / "tune.toml"
    recipe.write_text(f'[data]\nsource = "{rows}"\n[model]\nbase = "{tiny_base}"\nmax_seq_len = 120\n')
    settings = {name: value for name, value in PRIVATE.items() if name != "data.packing"} | {"training.max_steps": 2}
    more = {"training.objective": "instruction", "training.method": "lora", "training.batch_size": 4}
    more |= {"training.sample_prompt": "Say it."}
    run = train(recipe, {**settings, **more, "training.lora.dropout": 0.1}, run=tmp_path / "run", say=quiet)
    assert RunDirectory(run.path).result()["privacy"]["ledger"][0][2] == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data.packing": "stream"}, "data.packing = 'stream': use documents with training.privacy: a row of several"),
        ({"data.packing": "best_fit"}, "data.packing = 'best_fit': use documents with training.privacy"),
        ({"data.fim_rate": 0.5}, "data.fim_rate = 0.5: use 0 with training.privacy"),
        ({"data.split": "tail"}, "data.split = 'tail': leave it out with training.privacy: the end of each document"),
        ({"data.temperature": 2.0}, "data.temperature = 2.0: leave it out with training.privacy"),
        ({"data.weights": {"a": 1.0}}, "data.weights = .* leave it out with training.privacy"),
    ],
)
def test_what_puts_documents_together_is_refused(tiny_recipe: Path, changed: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        load_recipe(str(tiny_recipe), {**PRIVATE, **changed})


def test_one_long_text_is_one_document(tiny_recipe: Path) -> None:
    recipe = load_recipe(str(tiny_recipe), PRIVATE)
    data = prepare_recipe(recipe, Path(), quiet)
    with pytest.raises(SettingError, match="each step draws from 1 document, at most one row"):
        privacy_of(recipe.training, data)


def test_documents_too_few_to_hold_some_out_are_refused(tiny_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text("\n".join(json.dumps({"text": f"{number} {' '.join(WORDS)}"}) for number in range(6)))
    recipe = load_recipe(str(tiny_recipe), {**PRIVATE, "data.source": str(path), "training.batch_size": 2})
    with pytest.raises(SettingError, match=r"data\.split = 'tail': it was chosen since there are so few documents"):
        privacy_of(recipe.training, prepare_recipe(recipe, Path(), quiet))


def test_rows_of_several_examples_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tune.toml"
    recipe.write_text(f'[model]\nbase = "{tiny_base}"\n[training]\nobjective = "instruction"\n')
    private = {"training.privacy.epsilon": 8.0, "training.sample_prompt": "Who are you?"}
    with pytest.raises(SettingError, match=r"data\.packing = 'best_fit': leave it out with training.privacy"):
        load_recipe(str(recipe), {**private, "data.packing": "best_fit"})
    with pytest.raises(SettingError, match=r"training\.sample_prompt = '': name a question of your own with"):
        load_recipe(str(recipe), {**private, "training.sample_prompt": ""})

"""Instruction and preference tuning on the one loop, from rows to a model that ends its turn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groundup as gu
from groundup.errors import CheckpointError, DataError, TokenizerError
from groundup.recipe.settings import load_recipe

QUICK: dict[str, Any] = {
    "training.max_steps": 6,
    "training.batch_size": 4,
    "training.eval_steps": 3,
    "training.save_steps": 3,
    "training.warmup_steps": 1,
    "training.logging_steps": 1,
    "training.num_threads": 1,
    "training.sample_tokens": 4,
    "data.validation_fraction": 0.25,
    "model.max_seq_len": 120,
}
TOPICS = ("tea", "rain", "salt", "iron", "wool", "sand", "corn", "fire", "milk", "snow", "gold", "clay")


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "instructions.jsonl"
    rows = [{"instruction": f"Name {topic}.", "input": "", "output": f"It is {topic}."} for topic in TOPICS]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "preferences.jsonl"
    rows = [{"prompt": f"Name {topic}.", "chosen": f"It is {topic}.", "rejected": f"No, {topic}!"} for topic in TOPICS]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def recipe(tmp_path: Path, base: Path, rows: Path, objective: str) -> Path:
    path = tmp_path / "tune.toml"
    path.write_text(f'[data]\nsource = "{rows}"\n[model]\nbase = "{base}"\n[training]\nobjective = "{objective}"\n')
    return path


def records(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record for record in lines if record["kind"] == kind]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_answers_are_learned_and_the_model_ends_its_turn(
    method: str, tiny_base: Path, instructions: Path, tmp_path: Path
) -> None:
    overrides = {**QUICK, "training.method": method, "training.learning_rate": 0.03, "training.max_steps": 60}
    overrides |= {"training.eval_steps": 60, "training.save_steps": 60, "training.lora.targets": "all-linear"}
    run = gu.train(recipe(tmp_path, tiny_base, instructions, "instruction"), overrides, run=tmp_path / "run", say=quiet)
    first, last = records(run.path, "validation")[0], records(run.path, "validation")[-1]
    assert last["loss"] < first["loss"] - (
        1 if method == "full" else 0.1
    )  # adapters of a network without knowledge add little
    model = run.load()
    assert model.chat_template is not None  # it travels with the tokenizer
    figures = gu.evaluate(run.path, say=quiet)
    result = json.loads((run.path / "result.json").read_text())
    assert figures["loss"] == pytest.approx(result["validation"]["loss"], abs=1e-6)
    assert figures["tokens"] == result["validation"]["tokens"]
    assert figures["unit"] == "rows"
    assert figures["intervals"]["loss"]["low"] < figures["loss"] < figures["intervals"]["loss"]["high"]
    assert figures["bits_per_byte"] == pytest.approx(result["validation"]["bits_per_byte"], rel=1e-5)
    with pytest.raises(DataError, match="not in windows: leave out window"):
        gu.evaluate(run.path, window=8, say=quiet)
    with pytest.raises(DataError, match="measured together: leave out by"):
        gu.evaluate(run.path, by="length", say=quiet)
    if method == "full":
        reply = model.chat([{"role": "user", "content": "Name tea."}], max_new_tokens=40, temperature=0)
        assert len(model.tokenizer.encode(reply)) < 40  # it stopped by itself
    labels = json.loads((run.path / "manifest.json").read_text())["data"]["labels"]
    assert labels["learned_tokens"]["train"] > 0


def test_packed_rows_give_the_loss_of_rows_alone(tiny_base: Path, instructions: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, tiny_base, instructions, "instruction")
    runs = {
        packing: gu.train(
            path,
            {
                **QUICK,
                "data.template": "chatml",
                "data.packing": packing,
                "training.max_steps": 1,
                "training.batch_size": size,
            },
            run=tmp_path / packing,
            say=quiet,
        )
        for packing, size in (("documents", 7), ("best_fit", 3))
    }
    alone, packed = (records(runs[name].path, "train")[0] for name in ("documents", "best_fit"))
    assert alone["tokens"] == packed["tokens"]  # an epoch in one step, either way
    assert alone["loss"] == pytest.approx(packed["loss"], abs=1e-5)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_preferences_grow(method: str, tiny_base: Path, preferences: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.method": method, "training.learning_rate": 0.01, "training.max_steps": 12}
    run = gu.train(recipe(tmp_path, tiny_base, preferences, "preference"), overrides, run=tmp_path / "run", say=quiet)
    before, after = records(run.path, "validation")[0], records(run.path, "validation")[-1]
    assert before["loss"] == pytest.approx(np.log(2), abs=1e-4)
    assert before["margin"] == pytest.approx(0, abs=1e-4)
    assert after["margin"] > 0.1
    assert after["accuracy"] == 1
    trained = records(run.path, "train")
    assert {"accuracy", "margin", "chosen_reward", "rejected_reward"} <= trained[-1].keys()
    figures = gu.evaluate(run.path, say=quiet)
    assert figures["accuracy"] == 1
    assert figures["intervals"]["margin"]["n"] == figures["pairs"]
    with pytest.raises(DataError, match="trained on pairs, which have figures of their own: leave out metrics"):
        gu.evaluate(run.path, metrics="perplexity", say=quiet)
    assert figures["pairs"] == json.loads((run.path / "result.json").read_text())["validation"]["pairs"]


def test_a_run_on_rows_is_evaluated_without_its_base(tiny_base: Path, instructions: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    overrides = {**QUICK, "data.template": "chatml"}  # whose tokens the tokenizer gets
    run = gu.train(recipe(tmp_path, base, instructions, "instruction"), overrides, run=tmp_path / "run", say=quiet)
    shutil.rmtree(base)
    figures = gu.evaluate(run.path, metrics="loss", say=quiet)
    result = json.loads((run.path / "result.json").read_text())["validation"]
    assert (figures["loss"], figures["tokens"]) == (pytest.approx(result["loss"], abs=1e-5), result["tokens"])


def test_preferences_go_on_to_the_same_bits(tiny_base: Path, preferences: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, tiny_base, preferences, "preference")
    overrides = {**QUICK, "training.learning_rate": 0.01, "training.keep_checkpoints": 9}
    whole, cut = gu.train(path, overrides, run=tmp_path / "whole", say=quiet), tmp_path / "cut"
    shutil.copytree(whole.path, cut)
    shutil.rmtree(cut / "model")
    shutil.rmtree(cut / "checkpoints" / "step-000006")
    broken = tmp_path / "broken"
    shutil.copytree(cut, broken)
    gu.train(path, overrides, run=cut, resume=True, say=quiet)
    name = "checkpoints/step-000006/model.safetensors"
    assert (whole.path / name).read_bytes() == (cut / name).read_bytes()
    (broken / "reference.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"reference\.safetensors cannot be read"):
        gu.train(path, overrides, run=broken, resume=True, say=quiet)


def test_a_template_whose_tokens_the_base_lacks_grows_it_or_is_refused(
    tiny_base: Path, instructions: Path, tmp_path: Path
) -> None:
    path = recipe(tmp_path, tiny_base, instructions, "instruction")
    chatml = {**QUICK, "data.template": "chatml"}
    run = gu.train(path, chatml, run=tmp_path / "run", say=quiet)
    before, after = gu.load(tiny_base), run.load()
    assert after.tokenizer.vocab_size == after.model.config.vocab_size == before.tokenizer.vocab_size + 2
    with pytest.raises(TokenizerError, match=r"<\|im_start\|>"):
        gu.train(path, {**chatml, "training.method": "lora"}, run=tmp_path / "lora", say=quiet)


def test_a_text_is_no_rows(tiny_base: Path, text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="license"):
        gu.train(recipe(tmp_path, tiny_base, text_file, "instruction"), QUICK, run=tmp_path / "run", say=quiet)


def test_rows_of_ids_and_labels_are_taken_from_python(tiny_base: Path, tmp_path: Path) -> None:
    rows = [{"input_ids": list(range(5, 25)), "labels": [-100] * 10 + list(range(15, 25))} for _ in range(8)]
    rows = [{**row, "input_ids": [number, *row["input_ids"][1:]]} for number, row in enumerate(rows)]
    model, _ = gu.fine_tune_pretrained_model(
        str(tiny_base),
        rows[:6],
        rows[6:],
        tmp_path / "tuned",
        settings={"training.num_threads": 1, "training.batch_size": 2, "training.epochs": 2},
        say=quiet,
    )
    assert model.config.d_model == 16
    result = json.loads((tmp_path / "tuned" / "result.json").read_text())
    assert (result["steps"], result["validation"]["tokens"]) == (6, 20)


def test_a_text_beside_an_answer_is_passed_over(tiny_base: Path, tmp_path: Path) -> None:
    rows = [{"instruction": f"Name {topic}.", "output": topic, "text": f"Name {topic}. {topic}"} for topic in TOPICS]
    few = {"training.num_threads": 1, "training.epochs": 0.1}
    gu.fine_tune_pretrained_model(str(tiny_base), rows, rows[:3], tmp_path / "tuned", settings=few, say=quiet)
    assert load_recipe(str(tmp_path / "tuned" / "recipe.toml")).training.objective == "instruction"

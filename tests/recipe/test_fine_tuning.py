"""Fine-tuning on the one loop: a model to start from, all of it trained or adapters beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import groundup as gu
from groundup.config import from_dotted
from groundup.errors import DataError, MachineError, RunError, SettingError, TrainingError
from groundup.model.adapter import load_adapter
from groundup.model.directory import load_model, save_model
from groundup.model.lora_settings import LoraSettings
from groundup.recipe.base_tokenizer import tokenizer_of_base
from groundup.recipe.fine_tuning import settings_in_vain
from groundup.recipe.settings import Recipe, build_recipe, load_recipe
from groundup.run.listing import list_runs
from groundup.training.schedules import with_steps

QUICK: dict[str, Any] = {
    "model.max_seq_len": 32,
    "training.max_steps": 6,
    "training.batch_size": 4,
    "training.eval_steps": 3,
    "training.save_steps": 3,
    "training.warmup_steps": 1,
    "training.logging_steps": 1,
    "training.num_threads": 1,
    "training.sample_tokens": 4,
    "evaluation.max_tokens": 200,
}


def quiet(text: str) -> None:
    pass


@pytest.fixture
def recipe(tmp_path: Path, tiny_base: Path, text_file: Path) -> Path:
    path = tmp_path / "tune.toml"
    path.write_text(f'[data]\nsource = "{text_file}"\n[model]\nbase = "{tiny_base}"\n')
    return path


def measured(run: Path) -> list[float]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record["kind"] == "validation"]


def test_all_weights_are_tuned_from_those_of_the_base(recipe: Path, tiny_base: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.learning_rate": 0.01}
    run = gu.train(recipe, overrides, run=tmp_path / "run", say=quiet)
    losses = measured(run.path)
    base = gu.load(tiny_base)
    assert losses[-1] < losses[0]
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["model"]["base"]["name"] == str(tiny_base)
    assert manifest["model"]["trainable"] == manifest["model"]["parameters"]["total"]
    tuned = run.load()
    assert (
        tuned.model.config.max_seq_len == base.model.config.max_seq_len == 128
    )  # rows are shorter, the model is as it was
    assert tuned.tokenizer.sha256 == base.tokenizer.sha256
    before, after = base.model.state_dict(), tuned.model.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    # The untrained figure is the base's own.
    figures = gu.evaluate(tiny_base, data=str(load_recipe(str(recipe)).data.source), say=quiet)
    assert losses[0] == pytest.approx(figures["loss"], abs=0.1)


def test_a_tuned_run_is_evaluated_without_its_base(
    recipe: Path, text_file: Path, tiny_base: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    run = gu.train(recipe, {**QUICK, "model.base": str(base)}, run=tmp_path / "run", say=quiet)
    shutil.rmtree(base)
    figures = gu.evaluate(run.path, metrics="loss,ngram_bits_per_byte", say=quiet)
    result = json.loads((run.path / "result.json").read_text())["validation"]
    assert (figures["loss"], figures["tokens"]) == (pytest.approx(result["loss"], abs=1e-5), result["tokens"])
    assert figures["ngram_bits_per_byte"] > 0


def test_the_recipe_of_a_run_repeats_it(recipe: Path, tmp_path: Path) -> None:
    first = gu.train(recipe, QUICK, run=tmp_path / "first", say=quiet)
    again = gu.train(first.path / "recipe.toml", run=tmp_path / "again", say=quiet)
    for name in ("model/model.safetensors", "recipe.toml"):
        assert (first.path / name).read_bytes() == (again.path / name).read_bytes()


def test_epochs_are_told_as_steps(recipe: Path, tmp_path: Path) -> None:
    run = gu.train(recipe, {**QUICK, "training.epochs": 0.25}, run=tmp_path / "run", say=quiet)
    result = json.loads((run.path / "result.json").read_text())
    tokens = json.loads((run.path / "manifest.json").read_text())["data"]["tokens"]["train"]
    steps = -(-0.25 * ((tokens - 1) // 32 - 1) // 4)
    assert result["steps"] == list_runs(run.path)[0]["max_steps"] == steps
    assert f"Finished: {steps:.0f} steps" in (run.path / "report.html").read_text()


def test_a_text_of_its_own_is_held_out(recipe: Path, tmp_path: Path) -> None:
    other = tmp_path / "held-out.txt"
    other.write_text("A text that nobody trains on, and that is not long. " * 20)
    run = gu.train(recipe, {**QUICK, "data.validation_source": str(other)}, run=tmp_path / "run", say=quiet)
    facts = json.loads((run.path / "manifest.json").read_text())["data"]
    assert facts["validation_documents"] == ["held-out.txt"]
    assert facts["bytes"]["validation"] == other.stat().st_size


def test_another_base_under_the_same_name_is_no_resumption(recipe: Path, tiny_base: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tiny_base, moved)
    overrides = {**QUICK, "model.base": str(moved)}
    run = gu.train(recipe, overrides, run=tmp_path / "run", say=quiet)
    shutil.rmtree(run.path / "model")  # as if it had been killed before its end
    model = load_model(moved)
    with torch.no_grad():
        model.token_embedding.weight[0, 0] += 1
    save_model(model, moved, 0, 1)
    with pytest.raises(RunError, match=r"moved has not the weights that .* was begun with"):
        gu.train(recipe, overrides, run=tmp_path / "run", resume=True, say=quiet)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model.d_model": 64}, r"model\.d_model = 64: leave it out: BASE decides it"),
        ({"model.preset": "llama"}, r"model\.preset = 'llama': leave it out"),
        ({"tokenizer.kind": "bpe"}, r"tokenizer\.kind = 'bpe': leave out \[tokenizer\]: BASE comes with its own"),
        ({"training.method": "lora", "training.optimizer": "muon"}, r"training\.optimizer = 'muon': use \"adamw\""),
        ({"training.objective": "instruction", "data.fim_rate": 0.5}, r"data\.fim_rate = 0\.5: leave it out"),
        ({"training.objective": "preference", "data.packing": "best_fit"}, r"data\.packing = 'best_fit': leave it out"),
        (
            {"model.base": "", "training.method": "lora", "training.optimizer": "adamw"},
            r"training\.method = 'lora': name the model",
        ),
        ({"model.base": "", "training.method": "lora"}, r"training\.method = 'lora': name the model"),
        ({"model.base": "", "training.objective": "preference"}, r"training\.objective = 'preference': name the model"),
    ],
)
def test_what_a_base_decides_is_not_for_the_recipe(settings: dict[str, Any], message: str) -> None:
    values = from_dotted(Recipe, {"model.base": "BASE", **settings})
    with pytest.raises(SettingError, match=message):
        build_recipe(values)


def test_a_base_that_is_nowhere_or_too_short_is_refused(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"model\.base = 'nowhere': nowhere is not a model: name a run's folder"):
        gu.train(recipe, {"model.base": "nowhere"}, run=tmp_path / "run", say=quiet)
    with pytest.raises(SettingError, match=r"model\.max_seq_len = 256: .* has a context of 128 tokens; use at most so"):
        gu.train(recipe, {"model.max_seq_len": 256, "training.batch_size": 1}, run=tmp_path / "run", say=quiet)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"data.fim_rate": 0.5},
            r"data\.fim_rate = 0\.5: the tokenizer of .* lacks the tokens for it, and adapters can't",
        ),
        (
            {"training.lora.rank": 10**9},
            r"adapters of rank 1,000,000,000 need about .* GB .*: lower training\.lora\.rank",
        ),
    ],
)
def test_what_adapters_cannot_do_is_refused(
    recipe: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises((SettingError, MachineError), match=message):
        gu.train(recipe, {**QUICK, "training.method": "lora", **settings}, run=tmp_path / "run", say=quiet)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_damaged_base_is_refused_even_where_no_row_looks_at_the_damage(
    recipe: Path, tiny_base: Path, tmp_path: Path, method: str, number: float
) -> None:
    damaged = with_row(tiny_base, tmp_path / "damaged", number, position=127)  # rows have 32 tokens
    message = r"model.base = '.*': its weights are damaged, position_embedding.weight holds NaN or Inf: take another"
    settings = {**QUICK, "model.base": str(damaged), "training.method": method}
    with pytest.raises(SettingError, match=message):
        gu.train(recipe, settings, run=tmp_path / "run", say=quiet)


def test_a_damaged_base_is_not_blamed_on_the_learning_rate(recipe: Path, tiny_base: Path, tmp_path: Path) -> None:
    damaged = with_row(tiny_base, tmp_path / "damaged", 3e38, position=5)
    with pytest.raises(
        TrainingError, match=r"not a number at step 0, before anything was learned: the model .* is damaged"
    ):
        gu.train(recipe, {**QUICK, "model.base": str(damaged)}, run=tmp_path / "run", say=quiet)


def with_row(base: Path, directory: Path, number: float, position: int) -> Path:
    """A copy of the base with this number all over one row of its positions."""
    shutil.copytree(base, directory)
    model = load_model(directory)
    model.get_parameter("position_embedding.weight").data[position] = number
    save_model(model, directory, 0, 1)
    return directory


def test_a_tuned_model_has_gentler_steps_by_default() -> None:
    tuned = build_recipe({"model": {"base": "x"}, "training": {"method": "lora"}}).training
    assert (tuned.optimizer, tuned.learning_rate, tuned.schedule) == ("adamw", 2e-4, "linear")
    assert build_recipe({"model": {"base": "x"}, "training": {"learning_rate": 1.0}}).training.learning_rate == 1.0
    assert tuned.lora.dropout == 0.1
    preferences = {"model": {"base": "x"}, "training": {"objective": "preference", "method": "lora"}}
    assert build_recipe(preferences).training.lora.dropout == 0.0


def test_the_brief_s_function_tunes_a_model_on_rows(tiny_base: Path, text_file: Path, tmp_path: Path) -> None:
    paragraphs = [text for text in text_file.read_text().split("\n\n") if len(text) > 100]
    output = tmp_path / "tuned"
    few = {"training.epochs": 0.2, "training.num_threads": 1}
    model, tokenizer = gu.fine_tune_pretrained_model(
        str(tiny_base), paragraphs[:-5], [{"text": text} for text in paragraphs[-5:]], output, settings=few, say=quiet
    )
    recipe = load_recipe(str(output / "recipe.toml"))
    training = recipe.training
    assert (training.batch_size, training.learning_rate, training.weight_decay) == (4, 5e-5, 0.01)
    assert (training.warmup_steps, training.eval_steps, training.save_steps, training.logging_steps) == (
        100,
        500,
        1000,
        100,
    )
    assert recipe.model.dropout == load_model(tiny_base).config.dropout
    published = load_model(output / "model").state_dict()
    assert all(torch.equal(tensor.cpu(), published[name]) for name, tensor in model.state_dict().items())
    assert tokenizer.decode(tokenizer.encode("Licensed")) == "Licensed"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"train_dataset has no rows"),
        (None, r"train_dataset is a NoneType: give a list of texts or of rows, or a path"),
        ({"text": ["one", "two"]}, r"train_dataset is a dict: give a list"),
        (["a text", 3], r"train_dataset, row 2 is 3, a int: give texts, or rows"),
        ([{"text": {1, 2}}], r"train_dataset, row 1 holds what is no JSON \(a set\)"),
        (
            [{"instruction": "a\ud800", "output": "b"}],
            r"line 1: 'instruction' holds U\+D800 at character 1, half of a surrogate",
        ),
    ],
)
def test_rows_that_are_none_are_named(rows: Any, message: str, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        gu.fine_tune_pretrained_model(str(tiny_base), rows, ["held out"], tmp_path / "tuned", say=quiet)


def test_a_model_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="model_name is a NoneType: give a model's name or its path"):
        gu.fine_tune_pretrained_model(None, ["a text"], ["another"], tmp_path / "tuned", say=quiet)  # type: ignore[arg-type]


def test_a_warm_up_that_never_ends_is_told(recipe: Path, tmp_path: Path) -> None:
    said: list[str] = []
    gu.train(recipe, {**QUICK, "training.max_steps": 1}, run=tmp_path / "run", say=said.append)
    assert any(
        line.startswith("warning: the learning rate rises over training.warmup_steps = 1, and there") for line in said
    )


def test_pairs_are_taken_for_what_they_are(tiny_base: Path, tmp_path: Path) -> None:
    pairs = [{"prompt": f"Name {n}", "chosen": f"It is {n}.", "rejected": f"No {n}!"} for n in range(9)]
    few = {"training.epochs": 0.5, "training.num_threads": 1}
    gu.fine_tune_pretrained_model(tiny_base, pairs[:-4], pairs[-4:], tmp_path / "tuned", settings=few, say=quiet)
    training = load_recipe(str(tmp_path / "tuned" / "recipe.toml")).training
    assert (training.objective, training.learning_rate) == ("preference", 1e-6)


def test_settings_that_are_no_mapping_are_named(tiny_base: Path, tmp_path: Path) -> None:
    settings: Any = ["training.epochs=1"]
    with pytest.raises(SettingError, match=r"^settings = \['training.epochs=1'\]: give a mapping"):
        gu.fine_tune_pretrained_model(tiny_base, ["a"], ["b"], tmp_path / "tuned", settings, say=quiet)


def test_a_context_that_is_no_number_is_left_to_whoever_opens_the_model(
    recipe: Path, tiny_base: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "n_positions": True}))
    overrides = {"model.base": str(base), "model.max_seq_len": 64}
    assert tokenizer_of_base(load_recipe(str(recipe), overrides), tmp_path).vocab_size


def test_another_method_leaves_aside_what_the_recipe_says_for_its_own() -> None:
    """A learning rate for adapters would ruin a whole model."""
    full = load_recipe("domain", ["training.method=full"]).training
    assert (full.learning_rate, full.lora) == (5e-5, LoraSettings())
    assert not list(settings_in_vain(full))
    assert full.warmup_steps == load_recipe("domain").training.warmup_steps
    said = load_recipe("domain", {"training.method": "full", "training.learning_rate": 3e-5}).training
    assert said.learning_rate == 3e-5
    preferences = load_recipe("instruct", ["training.objective=preference"]).training
    assert (preferences.learning_rate, preferences.lora.targets) == (1e-5, "all-linear")
    same = load_recipe("domain", ["training.method=lora"])
    assert same == load_recipe("domain")
    assert same.training.learning_rate == 1e-3
    with pytest.raises(SettingError, match="training = 5: this is a section"):
        load_recipe("domain", {"training": 5})


def test_steps_that_are_asked_for_count_before_epochs_that_stand_there(
    recipe: Path, tiny_base: Path, tmp_path: Path
) -> None:
    given = recipe.with_name("given.toml")
    given.write_text(recipe.read_text() + "\n[training]\nepochs = 2\n")
    for overrides in ({"training.max_steps": 2}, ["training.max_steps=2"]):
        assert with_steps(load_recipe(str(given), overrides).training, 100).max_steps == 2
    both = load_recipe(str(given), {"training.max_steps": 2, "training.epochs": 3, "training.batch_size": 10}).training
    assert with_steps(both, 100).max_steps == 30
    rows = [{"prompt": f"Name {n}", "completion": f"It is {n}."} for n in range(9)]
    few = {"training.max_steps": 1, "training.num_threads": 1}
    gu.fine_tune_pretrained_model(tiny_base, rows[:-1], rows[-1:], tmp_path / "tuned", settings=few, say=quiet)
    assert json.loads((tmp_path / "tuned" / "manifest.json").read_text())["max_steps"] == 1


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        (
            {"training.epochs": 0.1},
            "training.max_steps = 1 changes nothing with training.epochs = 0.1: leave one of them out",
        ),
        ({"training.lora.rank": 4}, "[training.lora] changes nothing with training.method = 'full': leave it out"),
        (
            {"training.preference.beta": 0.5},
            "[training.preference] changes nothing with training.objective = 'language_model'",
        ),
    ],
)
def test_settings_that_change_nothing_are_told(
    recipe: Path, tmp_path: Path, settings: dict[str, Any], warning: str
) -> None:
    said: list[str] = []
    gu.train(recipe, {**QUICK, "training.max_steps": 1, **settings}, run=tmp_path / "run", say=said.append)
    assert next(line for line in said if "changes nothing" in line).startswith(f"warning: {warning}")


def test_only_adapters_are_trained_and_the_published_model_has_them_merged(
    recipe: Path, tiny_base: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    overrides = {**QUICK, "training.method": "lora", "training.learning_rate": 0.02, "training.lora.rank": 4}
    run = gu.train(recipe, overrides, run=tmp_path / "run", say=said.append)
    losses = measured(run.path)
    assert losses[-1] < losses[0]
    manifest = json.loads((run.path / "manifest.json").read_text())
    trainable, total = manifest["model"]["trainable"], manifest["model"]["parameters"]["total"]
    assert trainable == 2 * 4 * (16 + 48 + 16 + 16)  # A and B of c_attn and of attention's c_proj, in two layers
    assert any(line.startswith(f"{trainable:,} of {trainable + total:,} parameters are trained") for line in said)
    checkpoint = run.path / "checkpoints" / "step-000006"
    assert {file.name for file in checkpoint.iterdir()} >= {
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
    }
    assert not (checkpoint / "model.safetensors").exists()
    merged, from_adapter = gu.load(run.path / "model", device="cpu").model, load_model(tiny_base)
    load_adapter(from_adapter, checkpoint)
    ids = torch.arange(20)[None]
    torch.testing.assert_close(merged(ids), from_adapter(ids), atol=1e-5, rtol=0)
    assert (merged(ids) - load_model(tiny_base)(ids)).abs().max() > 1e-3


def test_an_adapter_goes_on_to_the_same_bits(recipe: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.method": "lora", "training.learning_rate": 0.02, "training.keep_checkpoints": 9}
    whole = gu.train(recipe, overrides, run=tmp_path / "whole", say=quiet)
    cut = tmp_path / "cut"
    shutil.copytree(whole.path, cut)
    shutil.rmtree(cut / "model")
    shutil.rmtree(cut / "checkpoints" / "step-000006")
    manifest = json.loads((cut / "manifest.json").read_text())
    gu.train(recipe, overrides, run=cut, resume=True, say=quiet)
    for name in ("checkpoints/step-000006/adapter_model.safetensors", "model/model.safetensors"):
        assert (whole.path / name).read_bytes() == (cut / name).read_bytes()
    assert manifest["model"]["base"]["sha256"]


def test_a_tuning_that_only_harms_says_so(recipe: Path, tmp_path: Path) -> None:
    said: list[str] = []
    overrides = {**QUICK, "training.learning_rate": 5.0, "training.max_grad_norm": 0.0, "training.weight_decay": 0.0}
    gu.train(recipe, overrides, run=tmp_path / "run", say=said.append)
    assert any("is no better than that of" in line and "taught nothing" in line for line in said)

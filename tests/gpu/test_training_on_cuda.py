"""Training on a CUDA device: a CPU's losses in fp32, falling ones in fewer bits, the same bits after a resume, and what comes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task
from safetensors.numpy import load_file
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.device import has_tf32_units
from groundup.language_model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.recipe.replay import replay
from groundup.recipe.train import TrainedRun, train
from groundup.run.checkpoints import list_checkpoints, read_state
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

pytestmark = pytest.mark.gpu
EXACT = {"training.precision": "fp32", "model.dropout": 0.0}
WIDER = {"model.d_model": 64, "model.max_seq_len": 64, "training.batch_size": 8}
TOPICS = ("tea", "rain", "salt", "iron", "wool", "sand", "corn", "fire", "milk", "snow", "gold", "clay")
TUNED: dict[str, Any] = {
    "training.max_steps": 8,
    "training.batch_size": 4,
    "training.eval_steps": 4,
    "training.save_steps": 4,
    "training.warmup_steps": 1,
    "training.logging_steps": 1,
    "training.sample_tokens": 4,
    "data.validation_fraction": 0.25,
    "model.max_seq_len": 120,
}


def quiet(text: str) -> None:
    pass


def losses(run: Path, kind: str = "train") -> list[float]:
    return [record["loss"] for record in read_records(run / "metrics.jsonl") if record["kind"] == kind]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"training.optimizer": "adamw", "training.accumulation_steps": 2},
        {"training.activation_checkpointing": True, "training.spike_sigmas": 3.0},
        {"data.packing": "best_fit", "data.document_attention": "own"},
    ],
    ids=str,
)
def test_in_fp32_the_losses_are_the_cpus(changed: dict[str, Any], tiny_recipe: Path, tmp_path: Path) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        overrides = {**EXACT, **changed, "training.device": device}
        run = train(tiny_recipe, overrides, run=tmp_path / device, say=quiet)
        found[device] = losses(run.path), losses(run.path, "validation")
    for ours, theirs in zip(found["cuda"], found["cpu"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_in_tf32_the_losses_are_near_and_nothing_stays_set(
    compiled: bool, tiny_recipe: Path, tmp_path: Path, cuda: torch.device
) -> None:
    if not has_tf32_units(cuda):
        pytest.skip("needs a card with TF32")
    found = {}
    for precision in ("fp32", "tf32"):
        overrides = {**EXACT, **WIDER, "training.precision": precision, "training.compile": compiled}
        run = train(tiny_recipe, overrides, run=tmp_path / precision, say=quiet)
        assert torch.get_float32_matmul_precision() == "highest"
        assert RunDirectory(run.path).manifest()["precision"] == precision
        assert read_state(list_checkpoints(run.path)[-1])["precision"] == precision
        found[precision] = losses(run.path)
    assert found["tf32"] == pytest.approx(found["fp32"], abs=0.02)
    assert found["tf32"] != found["fp32"]


@pytest.mark.filterwarnings(
    "ignore:Synchronization debug mode"
)  # it doesn't see all that wait, as PyTorch says each time
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_a_step_never_waits_for_the_card(precision: str, optimizer: str, parts: int, cuda: torch.device) -> None:
    """PyTorch's own watch: whatever makes the host wait raises. The batch comes from pinned memory, and AdamW is fused."""
    if precision == "tf32" and not has_tf32_units(cuda):
        pytest.skip("needs a card with TF32")
    shape = {"vocab_size": 97, "d_model": 64, "num_layers": 2, "num_heads": 2, "max_seq_len": 32}
    model = Transformer(preset_config("qwen3", **shape)).to(cuda)
    settings = TrainingSettings(
        batch_size=4,
        precision=precision,  # type: ignore[arg-type]
        optimizer=optimizer,  # type: ignore[arg-type]
        accumulation_steps=parts,
    )
    task = bare_task(model, settings, lambda step: np.arange(4 * 33).reshape(4, 33) % 97)
    machinery = prepare_machinery(task)
    assert machinery.optimizer.fused
    with machinery.shards:
        take_step(task, machinery, 0, 1.0)  # what is made once may wait
        torch.cuda.set_sync_debug_mode("error")
        try:
            taken = [take_step(task, machinery, step, 1.0) for step in (1, 2)]
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(one.loss) for one in taken)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_in_fewer_bits_it_learns(precision: str, optimizer: str, tiny_recipe: Path, tmp_path: Path) -> None:
    overrides = {"training.precision": precision, "training.optimizer": optimizer, **WIDER}
    run = train(tiny_recipe, overrides, run=tmp_path / "run", say=quiet)
    of_steps = losses(run.path)
    assert of_steps[-1] < of_steps[0] - 0.7
    state = read_state(list_checkpoints(run.path)[-1])
    assert (state["device"], state["precision"]) == ("cuda", precision)
    assert (state["scaler"] is None) == (precision == "bf16")


def test_a_loss_scale_that_is_too_high_comes_down_and_its_steps_change_nothing(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Eager(torch.amp.GradScaler):
        def __init__(self, device: str) -> None:
            super().__init__(device, init_scale=2.0**40)

    monkeypatch.setattr(torch.amp, "GradScaler", Eager)
    overrides = {"training.precision": "fp16", "training.warmup_steps": 0, **WIDER}
    run = train(tiny_recipe, overrides, run=tmp_path / "run", say=quiet)
    first, last = read_state(list_checkpoints(run.path)[0]), read_state(list_checkpoints(run.path)[-1])
    assert last["scaler"]["scale"] < first["scaler"]["scale"] < 2.0**40
    taken = load_file(list_checkpoints(run.path)[-1] / "optimizer.safetensors")["token_embedding.weight.step"]
    assert 0 < taken < 40
    assert losses(run.path)[-1] < losses(run.path)[0]


def test_compiled_it_has_the_same_losses(tiny_recipe: Path, tmp_path: Path) -> None:
    found = [
        losses(train(tiny_recipe, {**EXACT, **WIDER, "training.compile": how}, run=tmp_path / str(how), say=quiet).path)
        for how in (False, True)
    ]
    assert found[1] == pytest.approx(found[0], abs=1e-3)


@pytest.mark.parametrize(
    ("precision", "optimizer"), [("fp32", "muon"), ("bf16", "muon"), ("fp16", "muon"), ("bf16", "adamw")]
)
def test_a_resumed_run_has_the_bits_of_the_whole_one(
    precision: str, optimizer: str, tiny_recipe: Path, tmp_path: Path
) -> None:
    """With dropout and the spike rule, and with copies of weights, which a checkpoint has none of; and a stretch that is trained again
    comes out as it was."""
    overrides = {
        "training.precision": precision,
        "training.optimizer": optimizer,
        "training.spike_sigmas": 2.0,
    }
    whole = train(tiny_recipe, overrides, run=tmp_path / "whole", say=quiet)
    run = tmp_path / "interrupted"
    shutil.copytree(whole.path, run)
    shutil.rmtree(run / "model")
    (run / "result.json").unlink()
    for checkpoint in list_checkpoints(run)[2:]:
        shutil.rmtree(checkpoint)
        RunDirectory(run).forget_checkpoint(checkpoint)
    train(tiny_recipe, overrides, run=run, resume=True, say=quiet)
    ours, theirs = list_checkpoints(run)[-1], list_checkpoints(whole.path)[-1]
    assert ours.name == theirs.name
    for name in ("model.safetensors", "optimizer.safetensors"):
        mine, other = load_file(ours / name), load_file(theirs / name)
        assert all((mine[key] == other[key]).all() for key in other), name
    assert losses(run) == losses(whole.path)


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """As the command trains it, `auto` for the device."""
    return train(tiny_recipe, run=tmp_path_factory.mktemp("runs") / "auto", say=quiet)


def test_auto_is_the_card_in_bf16_and_the_run_says_so(run: TrainedRun) -> None:
    manifest = RunDirectory(run.path).manifest()
    assert torch.cuda.get_device_name() in json.dumps(manifest)
    state = read_state(list_checkpoints(run.path)[-1])
    assert (state["device"], state["precision"]) == ("cuda", "bf16")


def test_a_stretch_is_trained_again_to_the_same_bits(run: TrainedRun) -> None:
    assert replay(run.path, 10).weights


def test_its_model_opens_on_a_cpu_with_the_same_scores(run: TrainedRun) -> None:
    on_card, on_cpu = (LanguageModel.load(run.path, device=device) for device in ("cuda", "cpu"))
    text = ["Licensed under the Apache License", "and nobody else."]
    for ours, theirs in zip(on_card.score(text), on_cpu.score(text), strict=True):
        assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, abs=1e-3)
    greedy = {"temperature": 0.0, "max_new_tokens": 60}
    assert on_card.generate("The ", **greedy) == on_cpu.generate("The ", **greedy)


def test_it_goes_on_on_a_cpu_and_says_that_the_bits_are_others(
    run: TrainedRun, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tmp_path / "half"
    shutil.copytree(run.path, half)
    shutil.rmtree(half / "model")
    (half / "result.json").unlink()
    shutil.rmtree(list_checkpoints(half)[-1])
    RunDirectory(half).forget_checkpoint(list_checkpoints(run.path)[-1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said: list[str] = []
    assert train(tiny_recipe, run=half, resume=True, say=said.append).finished
    assert any("the run began on cuda in bf16 and goes on on cpu" in line for line in said), said


def test_the_command_trains_evaluates_and_verifies(run: TrainedRun) -> None:
    for command in (["evaluate", str(run.path)], ["verify", str(run.path), "--replay", "5"]):
        outcome = CliRunner().invoke(app, command)
        assert outcome.exit_code == 0, outcome.output


# --- from a model that is there ---------------------------------------------------------------------------------------


def tuned(tmp_path: Path, base: Path, objective: str, device: str, **changed: Any) -> Path:
    """Rows of instructions or of preferences, learned on one device."""
    rows: list[dict[str, str]] = [{"instruction": f"Name {topic}.", "output": f"It is {topic}."} for topic in TOPICS]
    if objective == "preference":
        rows = [{"prompt": f"Name {t}.", "chosen": f"It is {t}.", "rejected": f"No, {t}!"} for t in TOPICS]
    source, recipe = tmp_path / f"{objective}.jsonl", tmp_path / f"{objective}.toml"
    source.write_text("\n".join(map(json.dumps, rows)))
    recipe.write_text(f'[data]\nsource = "{source}"\n[model]\nbase = "{base}"\n[training]\nobjective = "{objective}"\n')
    overrides = {**TUNED, **EXACT, "training.device": device, **changed}
    return train(recipe, overrides, run=tmp_path / device, say=quiet).path


@pytest.mark.parametrize("objective", ["instruction", "preference"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_tuning_has_the_cpus_losses(objective: str, method: str, tiny_base: Path, tmp_path: Path) -> None:
    changed: dict[str, Any] = {"training.method": method, "training.learning_rate": 0.01}
    if method == "lora":
        changed |= {"training.lora.targets": "all-linear", "training.lora.dropout": 0.0}
    ours, theirs = (tuned(tmp_path, tiny_base, objective, device, **changed) for device in ("cuda", "cpu"))
    for kind in ("train", "validation"):
        assert losses(ours, kind) == pytest.approx(losses(theirs, kind), abs=1e-3)
    assert losses(ours)[-1] < losses(ours)[0]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_adapters_with_dropout_learn_in_fewer_bits(precision: str, tiny_base: Path, tmp_path: Path) -> None:
    changed = {"training.method": "lora", "training.lora.dropout": 0.1, "training.precision": precision}
    changed |= {"training.learning_rate": 0.02, "training.max_steps": 30}
    of_steps = losses(tuned(tmp_path, tiny_base, "instruction", "cuda", **changed))
    assert of_steps[-1] < of_steps[0]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_private_training_runs_and_counts(method: str, tiny_base: Path, tmp_path: Path) -> None:
    source, recipe = tmp_path / "texts.jsonl", tmp_path / "private.toml"
    texts = [{"text": f"{topic} and {other} are on the table."} for topic in TOPICS for other in TOPICS]
    source.write_text("\n".join(map(json.dumps, texts)))
    recipe.write_text(
        f"""
        [data]
        source = "{source}"
        packing = "documents"
        [model]
        base = "{tiny_base}"
        [training]
        method = "{method}"
        [training.privacy]
        noise_multiplier = 0.7
        accountant = "rdp"
        """
    )
    overrides = {**TUNED, "data.validation_fraction": 0.1, "training.learning_rate": 0.01}
    run = train(recipe, overrides, run=tmp_path / "run", say=quiet)
    result = RunDirectory(run.path).result()
    assert result["privacy"]["epsilon"]["rdp"] > 0
    assert all(loss < 20 for loss in losses(run.path))

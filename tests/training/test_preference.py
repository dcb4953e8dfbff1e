"""DPO's loss against closed forms and the plain way of computing it, and a model that learns what is preferred."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.preference_pairs import Pair, pair_batch, random_pairs

from groundup.errors import TrainingError
from groundup.model.directory import load_model, save_model
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.training.loop import train
from groundup.training.objectives import preference
from groundup.training.objectives.preference import (
    FIGURES,
    answer_log_probabilities,
    answer_rows_read,
    count_answer_tokens,
    count_pairs,
    preference_figures,
    preference_loss_sum,
    reference_log_probabilities,
)
from groundup.training.reference_file import load_reference, save_reference
from groundup.training.settings import PreferenceSettings, TrainingSettings
from groundup.training.step import prepare_machinery, take_step
from groundup.training.task import Task

V = 31
PAIRS = random_pairs(8, V)
BATCH = pair_batch(PAIRS, range(8))
EACH_ONCE = [pair_batch(PAIRS, some) for some in ([5, 2], [0, 1, 7], [3], [6, 4])]


def make_model(preset: Preset = "qwen3", seed: int = 0, **changed: Any) -> Transformer:
    torch.manual_seed(seed)
    shape = {"vocab_size": V, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 16}
    return Transformer(
        preset_config(preset, **{**shape, "initialization": "normal", "init_std": 0.3, **changed})
    ).eval()


@torch.no_grad()
def plain_log_probability(model: Transformer, prompt: list[int], answer: list[int]) -> float:
    """Token by token, each from a text of its own: no padding, no batch."""
    total, text = 0.0, list(prompt)
    for token in answer:
        total += float(F.log_softmax(model(torch.tensor([text]))[0, -1].double(), dim=-1)[token])
        text.append(token)
    return total


@pytest.mark.parametrize("preset", ["qwen3", "gpt2", "classic"])
@pytest.mark.parametrize("logits_at_once", [2**24, 100])
def test_log_probabilities_are_those_of_each_answer_read_alone(
    preset: Preset, logits_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preference, "LOGITS_AT_ONCE", logits_at_once)
    model = make_model(preset)
    expected = [[plain_log_probability(model, pair.prompt, answer) for answer in pair[1:]] for pair in PAIRS]
    found = answer_log_probabilities(model, torch.from_numpy(BATCH))
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(reference_log_probabilities(model, EACH_ONCE), expected, atol=1e-5, rtol=1e-5)


def test_gradients_of_parts_of_the_logits_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for logits_at_once in (2**24, 3 * V):
        monkeypatch.setattr(preference, "LOGITS_AT_ONCE", logits_at_once)
        model = make_model()
        preference_loss_sum(model, torch.from_numpy(BATCH), torch.zeros(8, 2), PreferenceSettings())[0].backward()  # type: ignore[no-untyped-call]
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_model_that_is_its_own_reference_pays_log_two_and_prefers_nothing(smoothing: float) -> None:
    model, settings = make_model(), PreferenceSettings(beta=0.5, label_smoothing=smoothing)
    batch = torch.from_numpy(BATCH)
    reference = answer_log_probabilities(model, batch).detach()
    sums = preference_loss_sum(model, batch, reference, settings)
    assert sums.tolist() == pytest.approx([8 * math.log(2), 0, 0, 0, 0], abs=1e-6)
    figures = preference_figures(model, [BATCH], reference.numpy(), settings)
    assert figures == pytest.approx({"loss": math.log(2), **dict.fromkeys(FIGURES, 0.0)}, abs=1e-6)
    sums[0].backward()  # type: ignore[no-untyped-call]
    # At margin 0 the loss falls with slope (1 - 2ε) / 2 along β (log π(chosen) - log π(rejected)).
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    chosen, rejected = answer_log_probabilities(model, batch).sum(dim=0)
    (-(1 - 2 * smoothing) / 2 * 0.5 * (chosen - rejected)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-4)


def test_a_worked_example() -> None:
    """Log-probabilities that stand 2 above the reference's and 1 below them, β = 1/2: rewards 1 and -1/2, the margin 3/2."""
    model, settings = make_model(), PreferenceSettings(beta=0.5, label_smoothing=0.1)
    batch = pair_batch(PAIRS, [3])
    reference = torch.zeros(8, 2)
    reference[3] = answer_log_probabilities(model, torch.from_numpy(batch))[0].detach() - torch.tensor([2.0, -1.0])
    loss, *figures = preference_loss_sum(model, torch.from_numpy(batch), reference, settings).tolist()
    assert loss == pytest.approx(0.9 * math.log(1 + math.exp(-1.5)) + 0.1 * math.log(1 + math.exp(1.5)), rel=1e-5)
    assert figures == pytest.approx([1.0, 1.5, 1.0, -0.5], rel=1e-5)
    assert preference_figures(model, [batch], reference.numpy(), settings) == pytest.approx(
        {"loss": loss, "accuracy": 1.0, "margin": 1.5, "chosen_reward": 1.0, "rejected_reward": -0.5}, rel=1e-5
    )


@pytest.mark.parametrize("margin", [-1e4, 1e4])
def test_a_margin_far_out_gives_a_finite_loss_and_gradient(margin: float) -> None:
    model, batch = make_model(), torch.from_numpy(pair_batch(PAIRS, [0]))
    reference = torch.tensor([[0.0, margin]])
    loss = preference_loss_sum(model, batch, reference, PreferenceSettings(beta=1.0, label_smoothing=0.1))[0]
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx((0.9 if margin < 0 else 0.1) * 1e4, rel=0.01)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def test_padding_and_the_place_in_the_batch_change_nothing() -> None:
    model = make_model("gpt2")
    whole = answer_log_probabilities(model, torch.from_numpy(pair_batch(PAIRS, range(8), length=16, padding=9)))
    for number in range(8):
        alone = answer_log_probabilities(model, torch.from_numpy(pair_batch(PAIRS, [number])))
        torch.testing.assert_close(alone[0], whole[number], atol=1e-5, rtol=1e-5)


def test_what_is_counted() -> None:
    pairs = [Pair([5, 6], [7, 8, 1], [1]), Pair([5], [1], [2, 3])]
    batch = pair_batch(pairs, [0, 1])
    assert batch.tolist() == [
        [[0, -6, -7, 7, 8, 1], [0, -6, -7, 1, -1, -1]],
        [[1, -6, 1, -1, -1, -1], [1, -6, 2, 3, -1, -1]],
    ]
    assert (count_pairs(batch), count_answer_tokens(batch), answer_rows_read(batch)) == (2, 7, (4, 4))


def make_task(folder: Path, model: Transformer, reference: np.ndarray, pairs: list[Pair], **changed: Any) -> Task:
    settings: dict[str, Any] = {
        "objective": "preference",
        "optimizer": "adamw",
        "batch_size": 4,
        "max_steps": 30,
        "learning_rate": 0.003,
        "warmup_steps": 3,
        "logging_steps": 1,
        "eval_steps": 10,
        "num_threads": 1,
        "precision": "fp32",
    }
    folder.mkdir(exist_ok=True)
    run = RunDirectory(folder)
    run.write_manifest({"checkpoints": {}})
    training = TrainingSettings(**{**settings, **changed})

    def batch(step: int) -> np.ndarray:
        return pair_batch(pairs, np.random.default_rng(step).permutation(len(pairs))[:4].tolist(), length=12)

    return Task(
        model=model,
        settings=training,
        run=run,
        loss_sum=partial(preference_loss_sum, reference=torch.from_numpy(reference), settings=training.preference),
        batch=batch,
        evaluate=lambda: preference_figures(model, [pair_batch(pairs, range(8))], reference, training.preference),
        sample=None,
        show=lambda: None,
        save_model=lambda directory: save_model(model, directory),
        peak_flops=1e12,
        fingerprint={},
        count_targets=count_answer_tokens,
        count_terms=count_pairs,
        figure_names=FIGURES,
        rows_read=answer_rows_read,
    )


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_a_model_learns_what_is_preferred(tmp_path: Path) -> None:
    model = make_model(init_std=0.1)
    reference = reference_log_probabilities(model, EACH_ONCE)
    outcome = train(make_task(tmp_path, model, reference, PAIRS))
    before, *_, after = records(tmp_path, "validation")
    assert before["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert before["margin"] == pytest.approx(0.0, abs=1e-5)
    assert after["accuracy"] == 1.0
    assert after["margin"] > 0.5
    assert after["chosen_reward"] > 0 > after["rejected_reward"]
    assert outcome.progress.best_loss == after["loss"] < before["loss"]
    steps = records(tmp_path, "train")
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert steps[-1]["accuracy"] == 1.0
    assert steps[-1]["margin"] == pytest.approx(steps[-1]["chosen_reward"] - steps[-1]["rejected_reward"], abs=1e-5)


@pytest.mark.parametrize("changed", [{"accumulation_steps": 4}, {"num_threads": 2}, {"num_threads": 3}])
def test_parts_and_threads_give_the_same_to_rounding(tmp_path: Path, changed: dict[str, int]) -> None:
    taken = []
    for settings in ({}, changed):
        model = make_model()
        task = make_task(tmp_path, model, np.zeros((8, 2), np.float32), PAIRS, **settings)
        machinery = prepare_machinery(task)
        with machinery.shards:
            taken.append(take_step(task, machinery, 0, 1.0))
    for one, other in zip(*taken, strict=True):
        assert torch.as_tensor(one).tolist() == pytest.approx(torch.as_tensor(other).tolist(), rel=1e-5)


def test_early_stopping_keeps_the_best_by_the_loss_of_held_out_pairs(tmp_path: Path) -> None:
    """Held out is the opposite of what is taught, so every look at it is worse than the one before."""
    model = make_model(init_std=0.1)
    reference = reference_log_probabilities(model, EACH_ONCE)
    opposite = [pair_batch([Pair(pair.prompt, pair.rejected, pair.chosen) for pair in PAIRS], range(8))]
    task = make_task(tmp_path, model, reference, PAIRS, max_steps=100, eval_steps=3, save_steps=100, patience=2)
    swapped = np.ascontiguousarray(reference[:, ::-1])
    figures = partial(preference_figures, model, opposite, swapped, task.settings.preference)
    outcome = train(replace(task, evaluate=figures))
    assert (outcome.stopped_because, outcome.progress.step, outcome.progress.best_step) == ("patience", 9, 3)
    losses = [line["loss"] for line in records(tmp_path, "validation")]
    assert losses == sorted(losses)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000003", "step-000009"]
    model.load_state_dict(load_model(list_checkpoints(tmp_path)[0]).state_dict())
    assert figures()["loss"] == pytest.approx(losses[1], abs=1e-6)


def test_a_resumed_run_reads_the_reference_it_began_with_and_ends_in_the_same_bits(tmp_path: Path) -> None:
    whole = make_model(init_std=0.1)
    reference = reference_log_probabilities(whole, EACH_ONCE)
    sha256 = save_reference(tmp_path / "reference.safetensors", {"train": reference})
    train(make_task(tmp_path / "run", whole, reference, PAIRS, save_steps=10, keep_checkpoints=3))
    middle = list_checkpoints(tmp_path / "run")[0]
    assert middle.name == "step-000010"
    resumed, again = load_model(middle), load_reference(tmp_path / "reference.safetensors", sha256)["train"]
    train(make_task(tmp_path / "run", resumed, again, PAIRS), middle)
    assert all(map(torch.equal, whole.parameters(), resumed.parameters()))


def test_a_reference_that_is_no_number_never_reaches_the_weights(tmp_path: Path) -> None:
    model = make_model()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    reference = np.zeros((8, 2), np.float32)
    reference[3, 1] = np.nan
    task = make_task(tmp_path, model, reference, PAIRS, batch_size=8)
    broken = replace(task, batch=lambda step: BATCH, evaluate=lambda: {"loss": 1.0})
    with pytest.raises(TrainingError, match=r"the loss or its gradient was not finite .* at step 1; no such update"):
        train(broken)
    assert all(map(torch.equal, before, model.parameters()))
    assert list_checkpoints(tmp_path) == []


def test_in_half_precision_too_a_model_begins_without_a_preference(tmp_path: Path) -> None:
    """The reference rounds as training does, so that both say the same."""
    margins = []
    for dtype in (torch.bfloat16, None):
        model = make_model()
        reference = reference_log_probabilities(model, [BATCH], dtype)
        task = make_task(tmp_path, model, reference, PAIRS, precision="bf16", batch_size=8)
        machinery = prepare_machinery(task)
        with machinery.shards:
            step = take_step(replace(task, batch=lambda step: BATCH), machinery, 0, 0.0)
        margins.append(step.figures[1].item())
    assert margins[0] == pytest.approx(0.0, abs=1e-6)
    assert abs(margins[1]) > 1e-4


def test_validation_figures_weigh_every_pair_the_same() -> None:
    model, reference = make_model(), np.random.default_rng(1).normal(-10, 3, (8, 2)).astype(np.float32)
    whole = preference_figures(model, [BATCH], reference, PreferenceSettings())
    parts = preference_figures(model, EACH_ONCE, reference, PreferenceSettings())
    assert whole == pytest.approx(parts, abs=1e-5)
    assert model.training is False


def test_the_reference_is_read_without_dropout_and_leaves_the_model_as_it_was() -> None:
    model: Transformer = make_model("gpt2", dropout=0.5).train()
    first, again = (reference_log_probabilities(model, iter(EACH_ONCE)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.float32
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())

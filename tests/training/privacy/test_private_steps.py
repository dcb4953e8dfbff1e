"""Private steps: who is drawn, what noise is added, what a step counts, and what the loop makes of a budget."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task

from groundup.model.dropout import set_dropout
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import checkpoint_path, read_state
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records
from groundup.textbook.dp_sgd import clipped_gradient, dp_sgd_step, poisson_sample, private_gradient
from groundup.training.loop import train
from groundup.training.objectives.language_model import count_targets, marked_loss_sum
from groundup.training.privacy.plan import PrivacyPlan
from groundup.training.privacy.randomness import add_gaussian_noise, draw_rows
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step
from groundup.training.task import Task

SHAPE = {"vocab_size": 11, "d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 8}
PLAN = PrivacyPlan(100, 4, noise_multiplier=0.0, clip_norm=0.05, delta=1e-3, epsilon=math.inf, accountant="rdp")


def test_each_document_is_drawn_by_itself_and_gives_one_row() -> None:
    first_row = np.array([0, 1, 4, 6])  # three documents, of 1, 3 and 2 rows
    document_of = np.array([0, 1, 1, 1, 2, 2])
    draws = [draw_rows(first_row, 0.3) for _ in range(3000)]
    assert all(len(set(document_of[rows])) == len(rows) for rows in draws)
    counts = np.bincount(np.concatenate(draws), minlength=6) / len(draws)
    expected = np.array([0.3, 0.1, 0.1, 0.1, 0.15, 0.15])
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected / len(draws)))
    sizes = np.bincount([len(rows) for rows in draws], minlength=4) / len(draws)
    binomial = np.array([0.7**3, 3 * 0.3 * 0.7**2, 3 * 0.3**2 * 0.7, 0.3**3])
    assert np.all(np.abs(sizes - binomial) < 0.05)
    assert any(not np.array_equal(draws[0], other) for other in draws[1:5])


def test_noise_has_the_deviation_asked_for_and_is_never_the_same() -> None:
    torch.manual_seed(0)  # nothing hangs on it
    some, other = torch.ones(20_000), torch.zeros(100, 200)
    add_gaussian_noise([some, other], 3.0)
    for noise in (some - 1, other.flatten()):
        assert abs(float(noise.mean())) < 0.1
        assert float(noise.std()) == pytest.approx(3.0, rel=0.03)
        assert float((noise.abs() < 3.0).float().mean()) == pytest.approx(0.6827, abs=0.02)
    assert abs(float(torch.corrcoef(torch.stack([some, other.flatten()]))[0, 1])) < 0.05
    torch.manual_seed(0)
    again = torch.ones(20_000)
    add_gaussian_noise([again], 3.0)
    assert not torch.equal(some, again)


def make_task(plan: PrivacyPlan, batch: np.ndarray | None = None, folder: Path | None = None, **changed: Any) -> Task:
    torch.manual_seed(0)
    model = Transformer(preset_config("qwen3", **SHAPE, initialization="normal", init_std=0.3))
    rows = np.random.default_rng(0).integers(0, 11, (6, 9)) if batch is None else batch
    values = {"batch_size": 4, "optimizer": "adamw", "num_threads": 1, "precision": "fp32", "max_grad_norm": 0.0}
    task = bare_task(model, TrainingSettings(**{**values, **changed}), lambda step: rows)
    loss = partial(marked_loss_sum, all_logits=True)
    task = replace(task, loss_sum=loss, count_targets=count_targets, privacy=plan)
    if folder is not None:
        run = RunDirectory(folder)
        folder.mkdir(exist_ok=True)
        run.write_manifest({"checkpoints": {}})
        task = replace(task, run=run, evaluate=lambda: {"loss": 1.0}, save_model=lambda path: None)
    return task


def gradients(task: Task) -> list[torch.Tensor]:
    machinery = prepare_machinery(task)
    with machinery.shards:
        taken = take_step(task, machinery, 0, 0.0)  # at a learning rate of 0 the weights stay
    assert torch.isfinite(taken.loss)
    return [parameter.grad for parameter in machinery.parameters if parameter.grad is not None]


@pytest.mark.parametrize(
    "changed", [{}, {"num_threads": 2, "batch_size": 4}, {"accumulation_steps": 2}, {"precision": "bf16"}]
)
def test_a_step_divides_the_clipped_sum_by_the_rows_expected(changed: dict[str, Any]) -> None:
    """In threads, in parts, and in another number format: six rows are drawn where four were expected."""
    task = make_task(PLAN, **changed)
    rows = torch.from_numpy(task.batch(0))

    def loss_of(network: torch.nn.Module, row: torch.Tensor) -> torch.Tensor:
        return marked_loss_sum(network, row[None]) / 8

    expected = private_gradient(task.model, loss_of, list(rows), 0.05, 0.0, 4)
    rtol, atol = (0.1, 1e-3) if "precision" in changed else (1e-4, 1e-6)
    torch.testing.assert_close(gradients(task), expected, rtol=rtol, atol=atol)


def test_what_one_document_adds_is_bounded_whatever_the_format() -> None:
    rows = np.random.default_rng(0).integers(0, 11, (6, 9))
    for precision in ("fp32", "bf16"):
        every = gradients(make_task(PLAN, rows, precision=precision))
        without = gradients(make_task(PLAN, rows[1:], precision=precision))
        moved = math.sqrt(sum(float((one - other).square().sum()) for one, other in zip(every, without, strict=True)))
        assert moved * 4 == pytest.approx(0.05, rel=1e-3)


def test_an_empty_draw_is_a_step_of_noise() -> None:
    noisy = replace(PLAN, noise_multiplier=2.0)
    for threads in (1, 2):
        found = gradients(make_task(noisy, np.full((0, 2), ~0), num_threads=threads))
        numbers = torch.cat([gradient.flatten() for gradient in found])
        assert float(numbers.std()) == pytest.approx(2.0 * 0.05 / 4, rel=0.1)


def test_fewer_rows_than_threads_and_rows_without_loss() -> None:
    one = gradients(make_task(PLAN, np.arange(9)[None], num_threads=2))
    both = gradients(make_task(PLAN, np.stack([np.arange(9), ~np.arange(9)])))
    torch.testing.assert_close(one, both)


def test_nobody_knows_what_dropout_zeroes_for_a_row() -> None:
    """By the recipe's seed it would hang on the row's place in the batch, and so on who else was drawn."""
    task = make_task(PLAN)
    set_dropout(task.model, 0.5, feed_forward=True)
    for private, alike in ((task, False), (replace(task, privacy=None), True)):
        first, second = gradients(private), gradients(private)
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True)) == alike


def test_what_was_spent_on_lost_weights_stays_spent(tmp_path: Path) -> None:
    plan = replace(PLAN, noise_multiplier=2.0)
    often: dict[str, Any] = {"eval_steps": 3, "save_steps": 2, "keep_checkpoints": 10}
    train(make_task(plan, folder=tmp_path, max_steps=4, **often))
    shutil.rmtree(checkpoint_path(tmp_path, 4))
    train(make_task(plan, folder=tmp_path, max_steps=5, **often), checkpoint_path(tmp_path, 2))
    assert read_state(checkpoint_path(tmp_path, 5))["privacy"]["ledger"] == [[0.04, 2.0, 4 + 3]]
    told = [event["step"] for event in read_records(tmp_path / "events.jsonl") if event["event"] == "spent"]
    assert told == [2, 3, 4, 3, 4, 5]  # before each validation and each checkpoint


def test_the_ledger_is_in_each_checkpoint_and_goes_on(tmp_path: Path) -> None:
    plan = replace(PLAN, noise_multiplier=2.0)
    often: dict[str, Any] = {"eval_steps": 100, "save_steps": 2, "logging_steps": 1, "keep_checkpoints": 10}
    train(make_task(plan, folder=tmp_path, max_steps=4, **often))
    state = read_state(checkpoint_path(tmp_path, 2))["privacy"]
    assert state["ledger"] == [[0.04, 2.0, 2]]
    assert state["epsilon"]["rdp"] == pytest.approx(plan.spent(plan.after((), 2)))
    assert 0 < state["epsilon"]["prv"] <= state["epsilon"]["rdp"]
    louder = replace(plan, noise_multiplier=4.0)  # as after a change by hand: all that was spent stays told
    train(make_task(louder, folder=tmp_path, max_steps=5, **often), checkpoint_path(tmp_path, 4))
    assert read_state(checkpoint_path(tmp_path, 5))["privacy"]["ledger"] == [[0.04, 2.0, 4], [0.04, 4.0, 1]]
    assert "privacy" in read_records(tmp_path / "events.jsonl")[-1]
    assert not any("seed" in text or "key" in text for text in state)


def test_training_ends_before_the_budget_is_passed(tmp_path: Path) -> None:
    noisy = replace(PLAN, noise_multiplier=1.0)
    plan = replace(noisy, epsilon=noisy.spent(noisy.after((), 3)) + 1e-6)
    outcome = train(make_task(plan, folder=tmp_path, max_steps=8, eval_steps=100, save_steps=100))
    assert (outcome.progress.step, outcome.stopped_because, outcome.finished) == (3, "privacy_budget", True)
    checkpoint = checkpoint_path(tmp_path, 3)
    assert read_state(checkpoint)["privacy"]["epsilon"]["rdp"] <= plan.epsilon
    again = train(make_task(plan, folder=tmp_path, max_steps=8), checkpoint)
    assert (again.progress.step, again.stopped_because) == (3, "privacy_budget")


def test_the_textbook_draws_clips_and_goes_down() -> None:
    torch.manual_seed(0)
    sizes = [len(poisson_sample(50, 0.2)) for _ in range(200)]
    assert sum(sizes) / 200 == pytest.approx(10, abs=1)
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    examples = [torch.tensor([3.0, 4.0]), torch.tensor([0.3, 0.4])]

    def loss_of(network: torch.nn.Module, example: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = -network(example).sum()  # whose gradient is minus the example
        return loss

    (total,) = clipped_gradient(model, loss_of, examples, clip_norm=1.0)
    torch.testing.assert_close(total, -torch.tensor([[0.6 + 0.3, 0.8 + 0.4]]))
    dp_sgd_step(model, loss_of, examples, sample_rate=1.0, clip_norm=1.0, noise_multiplier=0.0, learning_rate=2.0)
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[0.9, 1.2]]))

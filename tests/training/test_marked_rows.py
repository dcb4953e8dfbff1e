"""Rows that say which tokens carry loss and whose document they are: the losses and gradients of the documents alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.run.directory import RunDirectory
from groundup.text.settings import Packing
from groundup.tokens.length_buckets import DocumentRows
from groundup.tokens.order import Group
from groundup.tokens.packing import cut_documents, pack
from groundup.tokens.plan import SamplePlan, Windows, training_batch
from groundup.training.objectives.language_model import count_targets, loss_sum, marked_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.shards import Shards
from groundup.training.step import prepare_machinery, take_step
from groundup.training.task import LossSum, Task

END, PAD, LENGTH = 0, 1, 12
EVERY_PRESET = pytest.mark.parametrize("preset", get_args(Preset))


def make_model(preset: Preset = "qwen3") -> Transformer:
    torch.manual_seed(0)
    shape = {"vocab_size": 20, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": LENGTH}
    return Transformer(preset_config(preset, **shape, initialization="normal", dropout=0.0)).train()


def make_documents(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum(lengths)
    ids = np.random.default_rng(1).integers(2, 20, ends[-1])
    ids[ends - 1] = END
    return ids, ends


def packed_plan(ends: np.ndarray, packing: Packing = "best_fit") -> SamplePlan:
    pieces = cut_documents(ends, LENGTH)
    rows = pack(pieces, LENGTH, PAD) if packing == "best_fit" else DocumentRows(pieces, PAD, batch_size=4)
    return SamplePlan(LENGTH, rows, (Group(0, len(rows), len(rows), 0),))


def gradients(model: Transformer, losses: Tensor) -> list[Tensor]:
    model.zero_grad()
    losses.backward()  # type: ignore[no-untyped-call]
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def alone(model: Transformer, ids: np.ndarray, ends: np.ndarray) -> Tensor:
    """Each document by itself, opened by an end token, as the model would write it."""
    parts = [np.concatenate([[END], part]) for part in np.split(ids, ends[:-1])]
    return torch.stack([loss_sum(model, torch.from_numpy(part)[None]) for part in parts]).sum()


@EVERY_PRESET
def test_packed_documents_learn_what_each_would_alone(preset: Preset) -> None:
    model = make_model(preset)
    ids, ends = make_documents([5, 3, 12, 1, 4, 2, 9])
    plan = packed_plan(ends)
    assert plan.num_rows < 5  # several in a row
    batch = torch.from_numpy(training_batch(ids, plan, 1, 0, plan.num_rows, ends))
    together, apart = marked_loss_sum(model, batch), alone(model, ids, ends)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        gradients(model, together), gradients(model, alone(model, ids, ends)), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("preset", ["qwen3", "gpt2"])  # rotary positions, learned ones
def test_a_row_for_each_document_learns_what_each_would_alone(preset: Preset) -> None:
    model = make_model(preset)
    ids, ends = make_documents([5, 3, 9, 1])
    batch = torch.from_numpy(training_batch(ids, packed_plan(ends, "documents"), 1, 0, 4, ends))
    assert batch.shape == (4, 10)  # no wider than the longest
    together = marked_loss_sum(model, batch)
    torch.testing.assert_close(together, alone(model, ids, ends), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        gradients(model, together), gradients(model, alone(model, ids, ends)), atol=1e-5, rtol=1e-4
    )


@EVERY_PRESET
def test_logits_of_a_packed_document_are_its_own(preset: Preset) -> None:
    model = make_model(preset).eval()
    ids, ends = make_documents([4, 5, 3])
    batch = torch.from_numpy(training_batch(ids, packed_plan(ends), 1, 0, 1, ends))
    tokens = torch.where(batch[:, 0] < 0, ~batch[:, 0], batch[:, 0])[:, :-1]
    with torch.no_grad():
        logits = model(tokens, segment_ids=batch[:, 1, :-1])[0]
        for segment in torch.unique(batch[0, 1, :-1]):
            own = batch[0, 1, :-1] == segment
            torch.testing.assert_close(logits[own], model(tokens[:, own])[0], atol=1e-5, rtol=1e-5)
        assert len(torch.unique(batch[0, 1, :-1])) == 3


def test_windows_that_keep_to_documents_learn_what_their_parts_would_alone() -> None:
    model = make_model()
    ids, ends = make_documents([5, 3, 11, 1, 4, 2, 9])
    rows = Windows(np.array([2])).read(ids, np.array([0]), np.array([0]), LENGTH, ends)
    together = marked_loss_sum(model, torch.from_numpy(rows))
    parts = [ids[2:5], ids[4:8], ids[7:15]]  # the rest of the first, the second whole, some of the third
    apart = torch.stack([loss_sum(model, torch.from_numpy(part)[None]) for part in parts]).sum()
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_without_marks_the_two_losses_are_the_same_bits() -> None:
    model, batch = make_model(), torch.randint(0, 20, (3, LENGTH + 1))
    plain, marked = loss_sum(model, batch), marked_loss_sum(model, batch)
    assert torch.equal(plain, marked)
    assert all(map(torch.equal, gradients(model, plain), gradients(model, marked)))
    assert count_targets(batch.numpy()) == 3 * LENGTH


def test_tokens_without_loss_are_read_and_not_predicted() -> None:
    model = make_model()
    batch = torch.randint(0, 20, (2, LENGTH + 1))
    silent = torch.rand(2, LENGTH + 1) < 0.4
    marked = torch.where(silent, ~batch, batch)
    each = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
    expected = each[~silent[:, 1:].flatten()].sum()
    torch.testing.assert_close(marked_loss_sum(model, marked), expected)
    assert count_targets(marked.numpy()) == int((~silent[:, 1:]).sum())
    with_documents = torch.stack([marked, torch.zeros_like(marked)], dim=1)
    torch.testing.assert_close(marked_loss_sum(model, with_documents), expected)
    assert count_targets(with_documents.numpy()) == count_targets(marked.numpy())


@pytest.mark.parametrize(("shards", "packing"), [(2, "best_fit"), (3, "best_fit"), (3, "documents")])
def test_threads_share_marked_rows(shards: int, packing: Packing) -> None:
    model = make_model()
    ids, ends = make_documents([5, 30, 3, 12, 1, 4, 2, 9, 7])
    batch = torch.from_numpy(training_batch(ids, packed_plan(ends, packing), 1, 0, 6, ends))

    def backward(network: nn.Module, rows: Tensor) -> Tensor:
        loss = marked_loss_sum(network, rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    expected = gradients(model, marked_loss_sum(model, batch))
    model.zero_grad()
    with Shards(model, model, shards, shards) as threads:
        loss = threads.run(backward, batch)
    torch.testing.assert_close(loss, marked_loss_sum(model, batch).detach())
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("accumulation_steps", "packing"), [(1, "best_fit"), (2, "best_fit"), (2, "documents")])
def test_a_step_divides_by_the_tokens_with_loss_and_counts_them(
    tmp_path: Path, accumulation_steps: int, packing: Packing
) -> None:
    model = make_model()
    ids, ends = make_documents([5, 30, 3, 12, 1, 4, 2, 9, 7])
    batch = partial(training_batch, ids, packed_plan(ends, packing), 1, batch_size=4, document_ends=ends)
    rows = batch(0)
    predicted = int(((rows if rows.ndim == 2 else rows[:, 0])[:, 1:] >= 0).sum())
    assert predicted < 4 * LENGTH
    expected = marked_loss_sum(model, torch.from_numpy(rows)).detach() / predicted
    settings = TrainingSettings(batch_size=4, accumulation_steps=accumulation_steps, num_threads=1, precision="fp32")
    loss: LossSum = marked_loss_sum
    task = Task(
        model=model,
        settings=settings,
        run=RunDirectory(tmp_path),
        loss_sum=loss,
        batch=batch,
        evaluate=dict,
        sample=None,
        show=lambda: None,
        save_model=lambda path: None,
        peak_flops=1.0,
        fingerprint={},
        count_targets=count_targets,
    )
    machinery = prepare_machinery(task)
    with machinery.shards:
        step = take_step(task, machinery, 0, 1.0)
    torch.testing.assert_close(step.loss, expected)
    assert step.num_tokens == predicted

"""A step that was recorded is the ordinary one: the same weights, to the bit, whatever changes from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task

from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training import step as training_step
from groundup.training.recorded_step import ORDINARY
from groundup.training.settings import TrainingSettings
from groundup.training.step import Machinery, Step, prepare_machinery, take_step

pytestmark = pytest.mark.gpu
SHAPE = {"vocab_size": 97, "d_model": 64, "num_layers": 2, "num_heads": 2, "max_seq_len": 32}
STEPS = 16


def rows(step: int, lengths: tuple[int, ...] = (33,)) -> np.ndarray:
    """Others at each step, and for a while of each length."""
    length = lengths[min(step, STEPS - 1) * len(lengths) // STEPS]
    return np.random.default_rng(step).integers(0, 97, (4, length))


def trained(
    cuda: torch.device, recorded: bool, lengths: tuple[int, ...] = (33,), dropout: float = 0.1, **settings: Any
) -> tuple[list[torch.Tensor], list[Step], Machinery]:
    torch.manual_seed(0)
    model = Transformer(preset_config("qwen3", dropout=dropout, **SHAPE)).to(cuda)
    training = TrainingSettings(**{"batch_size": 4, "precision": "bf16", **settings})
    machinery = prepare_machinery(bare_task(model, training, lambda step: rows(step, lengths)))
    assert machinery.recorder is not None
    if not recorded:
        machinery.recorder = None
    task = bare_task(model, training, lambda step: rows(step, lengths))
    with machinery.shards:
        steps = [take_step(task, machinery, step, 1.0 - step / STEPS) for step in range(STEPS)]
    return [parameter.detach().clone() for parameter in model.parameters()], steps, machinery


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": "muon"},
        {"optimizer": "adamw", "precision": "fp32"},
        {"optimizer": "adamw", "precision": "tf32", "max_grad_norm": 0.0},
        {"optimizer": "muon", "spike_sigmas": 3.0, "lengths": (17, 33)},
    ],
    ids=str,
)
def test_it_is_the_ordinary_step(changed: dict[str, Any], cuda: torch.device) -> None:
    weights, steps, machinery = trained(cuda, True, **changed)
    assert machinery.recorder is not None
    assert machinery.recorder.recording is not None
    assert machinery.recorder.recording.batch.shape == (4, 33)
    expected, ordinary, _ = trained(cuda, False, **changed)
    for one, other in zip(steps, ordinary, strict=True):
        assert (float(one.loss), float(one.grad_norm)) == (float(other.loss), float(other.grad_norm))
    assert all(torch.equal(one, other) for one, other in zip(weights, expected, strict=True))


def test_compiled_it_is_the_ordinary_step_but_for_rounding(cuda: torch.device) -> None:
    """What PyTorch's compiler makes of the embeddings' way back adds up in whichever order blocks come."""
    changed: dict[str, Any] = {"optimizer": "adamw", "precision": "bf16", "compile": True, "dropout": 0.0}
    weights, _, machinery = trained(cuda, True, **changed)
    assert machinery.recorder is not None
    assert machinery.recorder.recording is not None
    for one, other in zip(weights, trained(cuda, False, **changed)[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_each_step_draws_anew(cuda: torch.device) -> None:
    """With one batch and no learning, dropout alone makes the losses differ."""
    _, steps, machinery = trained(cuda, True, dropout=0.5, optimizer="adamw", learning_rate=1e-12)
    assert machinery.recorder is not None
    assert machinery.recorder.recording is not None
    assert len({float(step.loss) for step in steps[ORDINARY + 1 :]}) == STEPS - ORDINARY - 1


def test_a_loss_that_is_not_finite_is_found_out_in_a_recorded_step(cuda: torch.device) -> None:
    torch.manual_seed(0)
    model = Transformer(preset_config("qwen3", dropout=0.0, **SHAPE)).to(cuda)
    training = TrainingSettings(batch_size=4, precision="bf16", optimizer="muon")
    task = bare_task(model, training, rows)
    machinery = prepare_machinery(task)
    with machinery.shards:
        for step in range(ORDINARY + 2):
            take_step(task, machinery, step, 1.0)
        with torch.no_grad():
            model.final_norm.weight[0] = torch.nan  # type: ignore[operator]
        before = [parameter.detach().clone() for parameter in model.parameters()]
        take_step(task, machinery, ORDINARY + 2, 1.0)
    assert (int(machinery.guard.not_finite), int(machinery.guard.first_not_finite)) == (1, ORDINARY + 2)
    for one, other in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(one.detach(), other, rtol=0, atol=0, equal_nan=True)


def test_shapes_that_take_turns_are_taken_as_ever_and_memory_does_not_pile_up(cuda: torch.device) -> None:
    torch.manual_seed(0)
    model = Transformer(preset_config("qwen3", dropout=0.0, **SHAPE)).to(cuda)
    training = TrainingSettings(batch_size=4, precision="bf16", optimizer="adamw")
    task = bare_task(model, training, lambda step: rows(step)[:, : 9 + (step // (ORDINARY + 2)) % 4])
    machinery, held = prepare_machinery(task), []
    with machinery.shards:
        for step in range(8 * (ORDINARY + 2)):
            assert take_step(task, machinery, step, 1.0).loss.isfinite()
            # Reserved: what was recorded holds its places, though nothing is allocated there.
            held.append(torch.cuda.memory_reserved())
    assert machinery.recorder is not None
    assert machinery.recorder.recording is not None
    assert max(held[-4 * (ORDINARY + 2) :]) <= 1.2 * max(held[: 4 * (ORDINARY + 2)])


def bytes_of_recordings() -> int:
    """What the card has for recordings alone."""
    segments = torch.cuda.memory_snapshot()  # type: ignore[no-untyped-call]
    return sum(one["total_size"] for one in segments if tuple(one["segment_pool_id"]) != (0, 0))


def test_with_another_shape_what_was_recorded_is_given_back_before_the_first_step_of_it(cuda: torch.device) -> None:
    """Where it stayed with PyTorch until the next recording, two steps' memory was held meanwhile."""
    torch.manual_seed(0)
    model = Transformer(preset_config("qwen3", dropout=0.0, **{**SHAPE, "d_model": 256, "max_seq_len": 256})).to(cuda)
    length = 257

    def batch(step: int) -> np.ndarray:
        return np.random.default_rng(step).integers(0, 97, (8, length))

    task = bare_task(model, TrainingSettings(batch_size=8, precision="bf16", optimizer="adamw"), batch)
    machinery, before = prepare_machinery(task), bytes_of_recordings()
    assert machinery.recorder is not None
    with machinery.shards:
        for step in range(ORDINARY + 2):
            take_step(task, machinery, step, 1.0)
        recorded = bytes_of_recordings() - before
        length = 129
        take_step(task, machinery, ORDINARY + 2, 1.0)
    assert machinery.recorder.recording is None
    assert recorded > 10e6
    assert bytes_of_recordings() - before < recorded / 10


@pytest.mark.parametrize(
    "changed", [{"precision": "fp16"}, {"accumulation_steps": 2}, {"activation_checkpointing": True}], ids=str
)
def test_what_the_host_decides_is_not_recorded(changed: dict[str, Any], cuda: torch.device) -> None:
    model = Transformer(preset_config("qwen3", dropout=0.0, **SHAPE)).to(cuda)
    task = bare_task(model, TrainingSettings(**{"batch_size": 4, "precision": "bf16", **changed}), rows)
    assert prepare_machinery(task).recorder is None


@pytest.mark.parametrize("compiled", [False, True])
def test_copies_in_the_products_format_follow_their_weights_and_change_no_step(
    compiled: bool, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the same steps by autocast and PyTorch's own AdamW."""
    changed: dict[str, Any] = {"optimizer": "adamw", "compile": compiled, "dropout": 0.0, "spike_sigmas": 3.0}
    weights, steps, machinery = trained(cuda, True, **changed)
    copies = [copied for copied in machinery.optimizer.matrices.copies if copied is not None]
    assert len(copies) == 8
    for weight, copied in zip(
        machinery.optimizer.matrices.parameters, machinery.optimizer.matrices.copies, strict=True
    ):
        assert copied is None or torch.equal(copied, weight.bfloat16())
    monkeypatch.setattr(training_step, "may_be_narrow", lambda *arguments: False)
    expected, ordinary, machinery = trained(cuda, True, **changed)
    assert not machinery.optimizer.matrices.names
    for one, other in zip(steps, ordinary, strict=True):
        assert float(one.loss) == pytest.approx(float(other.loss), rel=2e-3)
        assert float(one.grad_norm) == pytest.approx(float(other.grad_norm), rel=2e-2)
    for mine, other_weight in zip(weights, expected, strict=True):
        assert float((mine - other_weight).norm() / other_weight.norm()) < 0.01

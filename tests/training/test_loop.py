"""The loop: what it does with NaN, spikes, accumulation, patience, number formats and signals."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundup.errors import MissingExtraError, TrainingError
from groundup.model.directory import save_model
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import list_checkpoints, verify_checkpoint
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records
from groundup.textbook.early_stopping import best_so_far, out_of_patience
from groundup.training.loop import train
from groundup.training.objectives.language_model import loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery
from groundup.training.task import Task

QUICK: dict[str, Any] = {
    "max_steps": 8,
    "batch_size": 4,
    "eval_steps": 4,
    "save_steps": 4,
    "logging_steps": 1,
    "warmup_steps": 2,
    "keep_checkpoints": 10,
    "num_threads": 1,
    "sample_tokens": 0,
    "precision": "fp32",
}
IDS = np.random.default_rng(0).integers(0, 7, 400)


def make_task(
    folder: Path,
    loss: Callable[[nn.Module, Tensor], Tensor] = loss_sum,
    evaluations: list[float] | None = None,
    **changed: Any,
) -> Task:
    torch.manual_seed(0)
    shape = {"vocab_size": 7, "d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 8}
    model = Transformer(preset_config("qwen3", **shape))
    losses = iter(evaluations) if evaluations is not None else None
    run = RunDirectory(folder)
    folder.mkdir(exist_ok=True)
    run.write_manifest({"checkpoints": {}})

    def batch(step: int) -> np.ndarray:
        starts = np.random.default_rng(step).integers(0, 390, 4)
        return np.stack([IDS[start : start + 9] for start in starts])

    return Task(
        model=model,
        settings=TrainingSettings(**{**QUICK, **changed}),
        run=run,
        loss_sum=loss,
        batch=batch,
        evaluate=lambda: {"loss": next(losses) if losses else 1.0},
        sample=None,
        show=lambda: None,
        save_model=lambda directory: save_model(model, directory),
        peak_flops=1e9,
        fingerprint={},
    )


@dataclass
class BadLoss:
    """The ordinary loss, but for one call."""

    at: int
    value: float
    calls: list[int] = field(default_factory=list)

    def __call__(self, model: nn.Module, batch: Tensor) -> Tensor:
        self.calls.append(len(self.calls))
        loss = loss_sum(model, batch)
        return loss * self.value if self.calls[-1] == self.at else loss


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_nan_never_reaches_the_weights_and_ends_the_run(tmp_path: Path, value: float, optimizer: str) -> None:
    task = make_task(tmp_path, BadLoss(5, value), optimizer=optimizer)
    with pytest.raises(
        TrainingError, match=r"not finite \(NaN or Inf\) at step 6; no such .* and step-000004 is whole: lower"
    ):
        train(task)
    assert all(parameter.isfinite().all() for parameter in task.model.parameters())
    (kept,) = list_checkpoints(tmp_path)
    verify_checkpoint(kept)
    assert read_records(tmp_path / "events.jsonl")[-1]["event"] == "stopped"


def test_a_nan_between_logged_steps_is_masked_and_told_at_the_next(tmp_path: Path) -> None:
    task = make_task(tmp_path, BadLoss(1, math.nan), logging_steps=4, eval_steps=100, save_steps=100)
    with pytest.raises(TrainingError, match=r"at step 2; .* no checkpoint had been written yet"):
        train(task)
    assert all(parameter.isfinite().all() for parameter in task.model.parameters())


def test_weights_that_overflow_inside_the_update_are_never_saved(tmp_path: Path) -> None:
    """The loss and its gradient may be fine and the weights still run away; normalization hides it from the loss."""
    task = make_task(tmp_path, max_steps=1)
    task.model.blocks[0].attention.qkv.weight.data.fill_(math.inf)  # type: ignore[union-attr, operator]
    figures = task.evaluate
    assert figures()["loss"] == 1.0
    with pytest.raises(
        TrainingError,
        match=r"at step 1; no such|the weights were not finite \(NaN or Inf\) by step 1, and are not saved",
    ):
        train(task)
    assert list_checkpoints(tmp_path) == []


def test_a_validation_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    task = make_task(tmp_path, evaluations=[2.0, math.nan], optimizer="adamw")
    with pytest.raises(
        TrainingError,
        match=r"the validation loss is not a number at step 4, and no checkpoint .*: lower training\.learning_rate",
    ):
        train(task)


def test_a_lone_spike_is_skipped_counted_and_logged(tmp_path: Path) -> None:
    task = make_task(tmp_path, BadLoss(40, 50.0), max_steps=42, spike_sigmas=6.0)
    train(task)
    lines = [line for line in read_records(tmp_path / "metrics.jsonl") if line["kind"] == "train"]
    assert [line["skipped_steps"] for line in lines[39:]] == [0, 1, 1]
    events = [event for event in read_records(tmp_path / "events.jsonl") if event["event"] == "skipped_spike"]
    assert [event["step"] for event in events] == [41]


def test_accumulation_gives_the_same_steps(tmp_path: Path) -> None:
    whole = make_task(tmp_path / "a", max_steps=3)
    parts = make_task(tmp_path / "b", max_steps=3, accumulation_steps=4)
    train(whole)
    train(parts)
    for name, weight in weights(whole.model).items():
        torch.testing.assert_close(weights(parts.model)[name], weight, atol=1e-5, rtol=1e-4)


def test_activation_checkpointing_gives_the_same_bits(tmp_path: Path) -> None:
    plain = make_task(tmp_path / "a", max_steps=2)
    saving = make_task(tmp_path / "b", max_steps=2, activation_checkpointing=True)
    train(plain)
    train(saving)
    for name, weight in weights(plain.model).items():
        assert torch.equal(weights(saving.model)[name], weight), name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_the_same_within_its_digits_and_keeps_fp32_weights(
    tmp_path: Path, precision: str
) -> None:
    full = make_task(tmp_path / "a", max_steps=4)
    half = make_task(tmp_path / "b", max_steps=4, precision=precision)
    train(full)
    train(half)
    ours, theirs = (
        [line["loss"] for line in read_records(folder / "metrics.jsonl") if line["kind"] == "train"]
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert ours == pytest.approx(theirs, rel=0.02)
    assert ours != theirs
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("precision", "products"), [("bf16", torch.bfloat16), ("fp16", None), ("fp32", None)])
def test_the_optimizer_is_told_of_the_number_format(
    tmp_path: Path, precision: str, products: torch.dtype | None
) -> None:
    machinery = prepare_machinery(make_task(tmp_path, precision=precision, optimizer="muon"))
    assert machinery.optimizer.muon.product_dtype == products


def test_an_fp16_overflow_lowers_the_scale_and_is_no_fault(tmp_path: Path) -> None:
    class Huge(BadLoss):
        """A finite loss whose scaled gradient overflows once."""

    task = make_task(tmp_path, Huge(1, 1e6), precision="fp16", max_steps=4)
    train(task)
    state = verify_checkpoint(list_checkpoints(tmp_path)[-1])
    assert state["scaler"]["scale"] == 32768.0, "half of GradScaler's first 65,536"


def test_patience_stops_and_the_best_is_kept(tmp_path: Path) -> None:
    evaluations = [9.0, 3.0, 2.0, 2.5, 2.4, 2.3]
    task = make_task(
        tmp_path, evaluations=evaluations, max_steps=40, eval_steps=2, save_steps=100, patience=2, keep_checkpoints=1
    )
    outcome = train(task)
    assert (outcome.stopped_because, outcome.progress.best_step, outcome.progress.step) == ("patience", 4, 8)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000004", "step-000008"]
    stops_at = next(k for k in range(len(evaluations)) if out_of_patience(evaluations[: k + 1], patience=2))
    assert (2 * best_so_far(evaluations[: stops_at + 1]), 2 * stops_at) == (4, 8), "the textbook stops there, too"
    again = train(task, list_checkpoints(tmp_path)[-1])
    assert again.stopped_because == "patience", "a resumed run knows that it had run out"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_stops_after_the_step(tmp_path: Path, number: signal.Signals) -> None:
    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        if len(read_records(tmp_path / "metrics.jsonl")) == 3:  # one validation and two steps
            os.kill(os.getpid(), number)
        return loss_sum(model, batch)

    outcome = train(make_task(tmp_path, loss, max_steps=1000, eval_steps=1000, save_steps=1000))
    assert outcome.stopped_because == number.name
    assert not outcome.finished
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000003"]
    verify_checkpoint(list_checkpoints(tmp_path)[0])


def test_a_stop_does_not_wait_for_a_long_validation_which_is_made_up_for_later(tmp_path: Path) -> None:
    """A scheduler leaves ten seconds; validation may take longer, and changes nothing, so it is left."""
    shape: dict[str, Any] = {"max_steps": 8, "eval_steps": 3, "save_steps": 5, "keep_checkpoints": 9}
    whole = train(make_task(tmp_path / "whole", evaluations=[9.0, 3.0, 2.0, 1.0], **shape))

    def stopped() -> dict[str, float]:
        if read_records(tmp_path / "run" / "metrics.jsonl"):  # the second one
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        return {"loss": 9.0}

    begun = time.monotonic()
    task = make_task(tmp_path / "run", **shape)
    outcome = train(replace(task, evaluate=stopped))
    assert time.monotonic() - begun < 30
    assert (outcome.stopped_because, outcome.progress.step, outcome.progress.evaluation_due) == ("SIGTERM", 3, True)
    (checkpoint,) = list_checkpoints(tmp_path / "run")
    assert verify_checkpoint(checkpoint)["progress"]["evaluation_due"]

    inode = checkpoint.stat().st_ino
    again = make_task(tmp_path / "run", evaluations=[3.0, 2.0, 1.0], **shape)
    again.model.load_state_dict(task.model.state_dict())
    went_on = train(again, checkpoint)
    assert replace(went_on.progress, seconds=0.0) == replace(whole.progress, seconds=0.0)
    told = [
        [(record["kind"], record["step"], record["loss"]) for record in read_records(tmp_path / run / "metrics.jsonl")]
        for run in ("run", "whole")
    ]
    assert told[0] == told[1]
    names = [[path.name for path in list_checkpoints(tmp_path / run)] for run in ("run", "whole")]
    assert names[0] == names[1]
    assert checkpoint.stat().st_ino == inode, "a checkpoint that is replaced is gone for a moment"


def test_a_signal_while_the_last_checkpoint_is_saved_ends_it_and_nothing_is_lost(tmp_path: Path) -> None:
    """There is no step to finish; but what comes after the last one may take longer than a scheduler waits."""

    def save_model(folder: Path) -> None:
        task.save_model(folder)
        os.kill(os.getpid(), signal.SIGINT)

    task = make_task(tmp_path, max_steps=2, eval_steps=1000, save_steps=1000)
    with pytest.raises(KeyboardInterrupt):
        train(replace(task, save_model=save_model))
    (checkpoint,) = list_checkpoints(tmp_path)
    verify_checkpoint(checkpoint)
    assert train(task, checkpoint).stopped_because == "max_steps"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_system_ignores_for_us_stays_ignored(tmp_path: Path, number: signal.Signals) -> None:
    """nohup, or a script's background process: whoever started us does not mean us."""

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        os.kill(os.getpid(), number)
        return loss_sum(model, batch)

    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert train(make_task(tmp_path, loss, max_steps=3)).stopped_because == "max_steps"
    finally:
        signal.signal(number, before)


@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")  # the compiler's own
def test_compile_goes_through_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the eager backend, since what is tested is our wiring; the compiler is PyTorch's."""
    compiled: list[nn.Module] = []

    def compile_eagerly(model: nn.Module, options: dict[str, Any] | None) -> Any:
        assert options is None  # of a CPU
        compiled.append(model)
        return real_compile(model, backend="eager")

    real_compile = torch.compile
    monkeypatch.setattr(torch, "compile", compile_eagerly)
    plain, task = make_task(tmp_path / "a", max_steps=2), make_task(tmp_path / "b", max_steps=2, compile=True)
    train(plain)
    train(task)
    assert compiled == [task.model]
    for name, weight in weights(plain.model).items():
        torch.testing.assert_close(weights(task.model)[name], weight)


def test_tensorboard_holds_the_same_figures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(make_task(tmp_path, tensorboard=True))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    lines = [line for line in read_records(tmp_path / "metrics.jsonl") if line["kind"] == "train"]
    scalars = events.Scalars("train/loss")
    assert [scalar.step for scalar in scalars] == [line["step"] for line in lines]
    assert [scalar.value for scalar in scalars] == pytest.approx([line["loss"] for line in lines])


def test_tensorboard_missing_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'groundup\[tensorboard\]'"):
        train(make_task(tmp_path, tensorboard=True))


def test_figures_add_up(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    train(dataclasses.replace(task, peak_flops=1.0))  # as if measured in a very busy moment: it is measured again
    lines = [line for line in read_records(tmp_path / "metrics.jsonl") if line["kind"] == "train"]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert [line["tokens"] for line in lines] == [32 * step for step in range(1, 9)]
    assert all(line["tokens_per_second"] > 0 and 1 > line["mfu"] >= 0 for line in lines)
    assert lines[0]["loss"] == pytest.approx(math.log(7), abs=0.1), "an untrained model guesses"
    assert lines[-1]["seconds"] > lines[0]["seconds"]

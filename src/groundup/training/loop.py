"""The one training loop, told in numbered stages. What differs between kinds of training is handed in: batches and loss."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from groundup.device import card_uuid, give_back_freed_memory, peak_flops_per_second
from groundup.energy import EnergyMeter
from groundup.errors import TrainingError
from groundup.run.checkpoints import list_checkpoints, prune_checkpoints, read_state, write_checkpoint
from groundup.training.checkpoint_parts import load_optimizer, write_parts
from groundup.training.privacy.accountant import num_steps
from groundup.training.progress import TrainingProgress
from groundup.training.schedules import learning_rate_factor
from groundup.training.settings import TrainingSettings
from groundup.training.step import Machinery, Step, Task, prepare_machinery, take_step
from groundup.training.stop import StoppedAtOnce, StopRequest


@dataclass(frozen=True)
class Progress:
    """What the loop carries from step to step besides weights and optimizer; all of it is in state.json."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_loss: float | None = None
    evaluations_without_best: int = 0
    joules: float | None = None
    """Electricity, of the steps alone; None where the machine doesn't tell."""
    joules_of: str = ""
    """Whose: `EnergyMeter.counted`."""
    evaluation_due: bool = False
    """A stop came before this step's validation was done; who goes on begins with it."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended: `max_steps`, `patience`, `privacy_budget`, `SIGINT`, `SIGTERM`, or `until`."""

    progress: Progress
    stopped_because: str

    @property
    def finished(self) -> bool:
        return self.stopped_because in ("max_steps", "patience", "privacy_budget")


def train(task: Task, resume_from: Path | None = None, until: int | None = None) -> Outcome:
    """Train until `max_steps`, until patience runs out, or until a signal asks to stop. The run must be locked by the caller.

    With `resume_from` (a verified checkpoint) the weights that follow are those of the uninterrupted run, bit for bit, on the
    same machine. After step `until` it saves and leaves off, for whoever replays a stretch. Raises `TrainingError` when the loss
    is not finite; the weights on disk then are all good.
    """
    settings, run, ranks = task.settings, task.run, task.ranks

    # 1. The machine: device, threads, optimizer, number format.
    machinery = prepare_machinery(task, resume_from)

    # 2. Where to begin: at zero, or as the checkpoint left off.
    progress = _restore(task, machinery, resume_from) if resume_from else Progress()
    if machinery.privacy is not None:
        machinery.privacy.go_on(run, read_state(resume_from) if resume_from else None)
    if resume_from and ranks.first:  # a process that ended in the midst of it may have left more than are kept
        prune_checkpoints(run.path, settings.keep_checkpoints, progress.best_step)
    if 0 < settings.patience <= progress.evaluations_without_best:
        return Outcome(progress, "patience")
    last_step = _last_step(task, machinery, progress.step)

    with (
        machinery.shards,
        TrainingProgress(last_step, progress.step, quiet=not ranks.first) as display,
        _writer(task, progress.step) as tensorboard,
        StopRequest() as stop,
    ):
        if progress.step == 0:
            with machinery.shards.at_rest():  # an untrained model, to compare with
                progress = _evaluate(task, machinery, progress, display, tensorboard, stop, counts=False)
            give_back_freed_memory()
        elif progress.evaluation_due:
            with machinery.shards.at_rest():
                progress = _evaluate(task, machinery, progress, display, tensorboard, stop)
            give_back_freed_memory()
        if progress.evaluation_due:  # a stop already; what there is to save is saved
            return _stopped(task, progress, stop.received)
        if 0 < settings.patience <= progress.evaluations_without_best:
            return Outcome(progress, "patience")
        clock, tokens, flops = time.perf_counter(), 0, 0
        energy = EnergyMeter(card_uuid(machinery.device), processors=ranks.local_rank == 0)
        energy_begun = progress.step > 0
        while progress.step < last_step:
            # 3. One step: the batch and its gradients, then the update.
            factor = learning_rate_factor(progress.step, settings)
            taken = take_step(task, machinery, progress.step, factor)
            step = progress.step + 1
            progress = replace(progress, step=step, tokens=progress.tokens + taken.num_tokens)
            tokens, flops = tokens + taken.num_tokens, flops + taken.flops
            display.advance(step)

            # 4. The record. This is where the host waits for the device.
            last, stopping = step == last_step, stop.received
            if ranks.size > 1:  # whichever of them was asked to stop, they do so after the same step
                asked = ranks.largest(stopping or 0)
                stopping = signal.Signals(asked) if asked else None
            due_to_save = step % settings.save_steps == 0 or last or stopping is not None or step == until
            due_to_evaluate = step % settings.eval_steps == 0 or last
            if step % settings.logging_steps == 0 or due_to_save or due_to_evaluate:
                _stop_if_not_finite(task, machinery, step)
                _tell_of_spikes(task, machinery)
                elapsed = time.perf_counter() - clock
                if due_to_save or due_to_evaluate:  # a card takes some milliseconds to tell
                    joules = ranks.total(energy.read())
                    progress = _add_energy(progress, joules, energy.counted, energy_begun)
                    energy_begun = True
                progress = replace(progress, seconds=progress.seconds + elapsed)
                speed, reached = tokens / max(elapsed, 1e-9), flops / max(elapsed, 1e-9) / ranks.size
                if reached > machinery.peak_flops:
                    _measure_peak_again(machinery)
                mfu = reached / machinery.peak_flops
                if step % settings.logging_steps == 0 or last:
                    _log(task, machinery, progress, taken, factor, speed, mfu, display, tensorboard)
                clock, tokens, flops = time.perf_counter(), 0, 0
            if machinery.privacy is not None and (due_to_save or due_to_evaluate):
                # Before anybody can see these weights: whatever becomes of them, what they took was spent.
                machinery.privacy.tell(run, step)

            # 5. Validation, a sample, the best so far.
            improved = False
            if due_to_evaluate:
                before = progress.best_step
                with machinery.shards.at_rest():
                    progress = _evaluate(task, machinery, progress, display, tensorboard, stop)
                give_back_freed_memory()  # validation's, which the next step would only add to
                improved = progress.best_step != before
            if progress.evaluation_due:
                _save(task, machinery, progress)
                return _stopped(task, progress, stop.received)

            # 6. The checkpoint.
            out_of_patience = 0 < settings.patience <= progress.evaluations_without_best
            if due_to_save or improved or out_of_patience:
                _save(task, machinery, progress)
            if due_to_evaluate and ranks.first:
                task.show()
                _measure_peak_again(machinery)

            # 7. A reason to stop.
            if out_of_patience:
                return Outcome(progress, "patience")
            if stopping is not None and not last:
                return _stopped(task, progress, stopping)
            if step == until:
                return Outcome(progress, "until")
            if due_to_save or due_to_evaluate:
                clock = time.perf_counter()  # neither validation nor saving counts as training time
                energy.read()
    return Outcome(progress, "max_steps" if last_step == settings.max_steps else "privacy_budget")


def _stopped(task: Task, progress: Progress, by: signal.Signals | None) -> Outcome:
    task.ranks.wait()  # until the first has saved: who leaves earlier has the launcher end it
    name = (by or signal.SIGTERM).name
    task.run.log_event("stopped", progress.step, why=name)
    return Outcome(progress, name)


def _last_step(task: Task, machinery: Machinery, step: int) -> int:
    """The step that training ends with: `max_steps`, or the last one before the privacy budget would be passed. Raises `TrainingError`
    where that was spent before anything was saved."""
    most, privacy = task.settings.max_steps, machinery.privacy
    if privacy is None:
        return most
    last = step + privacy.plan.steps_left(privacy.ledger, most - step)
    if last == 0 and most:
        raise TrainingError(
            f"all of training.privacy.epsilon = {privacy.plan.epsilon:g} was spent on {num_steps(privacy.ledger):,} steps whose weights "
            "were lost before they were saved, so none may follow: a new run, with --run DIR, spends its budget beside this one's"
        )
    return last


def _add_energy(progress: Progress, joules: float | None, counted: str, begun: bool) -> Progress:
    """Joules so far; a stretch without a counter, or with other counters than before, leaves the whole unknown."""
    before = progress.joules
    if joules is None or (begun and (before is None or progress.joules_of not in ("", counted))):
        return replace(progress, joules=None, joules_of="")
    return replace(progress, joules=(before or 0.0) + joules, joules_of=counted)


def _restore(task: Task, machinery: Machinery, checkpoint: Path) -> Progress:
    state = read_state(checkpoint)
    load_optimizer(task, machinery, checkpoint)
    machinery.guard.load_state(state["guard"])
    machinery.spikes_told = int(machinery.guard.spikes)
    if machinery.scaler is not None and state["scaler"] is not None:
        machinery.scaler.load_state_dict(state["scaler"])
    return Progress(**state["progress"])


def _stop_if_not_finite(task: Task, machinery: Machinery, step: int) -> None:
    finite = torch.stack(torch._foreach_norm([*machinery.parameters])).isfinite().all()
    if task.ranks.largest(int(not finite)):  # of the rows in any process
        why = f"the weights were not finite (NaN or Inf) by step {step}"
        task.run.log_event("stopped", step, why=why)
        raise TrainingError(f"{why}, and are not saved; {_kept(task)}: {_calmer(task.settings)}")
    scale_gone = machinery.scaler is not None and machinery.scaler.get_scale() < 1.0
    if not int(machinery.guard.not_finite) and not scale_gone:
        return
    first = int(machinery.guard.first_not_finite) + 1 if int(machinery.guard.not_finite) else step
    why = f"the loss or its gradient was not finite (NaN or Inf) at step {first}"
    task.run.log_event("stopped", first - 1, why=why)  # the last step that was taken
    raise TrainingError(f"{why}; no such update reached the weights, and {_kept(task)}: {_calmer(task.settings)}")


def _kept(task: Task) -> str:
    checkpoints = list_checkpoints(task.run.path)
    return f"{checkpoints[-1].name} is whole" if checkpoints else "no checkpoint had been written yet"


def _calmer(settings: TrainingSettings) -> str:
    rates = f"training.learning_rate (now {settings.learning_rate:g})"
    if settings.optimizer == "muon":
        rates += f" or training.matrix_learning_rate (now {settings.matrix_learning_rate:g})"
    return f"lower {rates}, or raise training.warmup_steps, and start anew"


def _tell_of_spikes(task: Task, machinery: Machinery) -> None:
    """Log an event when steps were skipped since the last look."""
    spikes = int(machinery.guard.spikes)
    if spikes > machinery.spikes_told:
        why = (
            f"loss or gradient norm stood {task.settings.spike_sigmas:g} standard deviations above the last steps' mean"
        )
        count = spikes - machinery.spikes_told
        task.run.log_event("skipped_spike", int(machinery.guard.last_spike) + 1, why=why, count=count)
        machinery.spikes_told = spikes


def _measure_peak_again(machinery: Machinery) -> None:
    """On a machine that others use, the first measurement may have met a busy moment; the best one counts."""
    with machinery.shards.at_rest():
        again = peak_flops_per_second(machinery.device, machinery.precision, seconds=0.02)
    machinery.peak_flops = max(machinery.peak_flops, again)


def _log(
    task: Task,
    machinery: Machinery,
    progress: Progress,
    taken: Step,
    factor: float,
    tokens_per_second: float,
    mfu: float,
    display: TrainingProgress,
    tensorboard: Any,
) -> None:
    loss = float(taken.loss)
    figures = dict(zip(task.figure_names, taken.figures.tolist(), strict=True))
    record = {
        "kind": "train",
        "step": progress.step,
        "loss": loss,
        **figures,
        "learning_rate": task.settings.learning_rate * factor,
        "grad_norm": float(taken.grad_norm),
        "tokens": progress.tokens,
        "tokens_per_second": round(tokens_per_second, 1),
        "mfu": round(mfu, 4),
        "seconds": round(progress.seconds, 3),
        "skipped_steps": int(machinery.guard.spikes),
    }
    task.run.log_metrics(record)
    display.logged(progress.step, loss, figures, tokens_per_second, mfu)
    if tensorboard is not None:
        for key in ("loss", *figures, "learning_rate", "grad_norm", "tokens_per_second", "mfu"):
            tensorboard.add_scalar(f"train/{key}", record[key], progress.step)


def _evaluate(
    task: Task,
    machinery: Machinery,
    progress: Progress,
    display: TrainingProgress,
    tensorboard: Any,
    stop: StopRequest,
    counts: bool = True,
) -> Progress:
    """Measure the model and let it write; with `counts`, keep the best and patience. The first process does, and tells the others.

    A stop leaves that, and it stays due.
    """
    with machinery.sharded.as_whole() if machinery.sharded is not None else nullcontext():
        if task.ranks.size == 1:
            return _evaluate_here(task, progress, display, tensorboard, stop, counts)
        found = task.ranks.once(lambda: asdict(_evaluate_here(task, progress, display, tensorboard, stop, counts)))
        return Progress(**found)


def _evaluate_here(
    task: Task, progress: Progress, display: TrainingProgress, tensorboard: Any, stop: StopRequest, counts: bool
) -> Progress:
    start = time.perf_counter()
    task.model.eval()
    try:
        with stop.at_once():
            figures = task.evaluate()
            whole = not math.isnan(figures["loss"])
            sample = task.sample(progress.step) if task.sample is not None and whole else None
    except StoppedAtOnce:
        return replace(progress, evaluation_due=True)
    progress = replace(progress, evaluation_due=False)
    loss = figures["loss"]
    if math.isnan(loss):
        why = f"the validation loss is not a number at step {progress.step}"
        task.run.log_event("stopped", progress.step, why=why)
        if progress.step == 0:  # no step has been taken that a lower learning rate could change
            raise TrainingError(
                f"{why}, before anything was learned: the model that it began as is damaged, so take another"
            )
        raise TrainingError(f"{why}, and {_kept(task)}: {_calmer(task.settings)}")
    best = counts and math.isfinite(loss) and (progress.best_loss is None or loss < progress.best_loss)
    if best:
        progress = replace(progress, best_step=progress.step, best_loss=loss, evaluations_without_best=0)
    elif counts:
        progress = replace(progress, evaluations_without_best=progress.evaluations_without_best + 1)
    seconds = round(time.perf_counter() - start, 3)
    task.run.log_metrics({"kind": "validation", "step": progress.step, **figures, "best": best, "seconds": seconds})
    if sample is not None:
        task.run.log_sample(sample)
    measured = {name: figures[name] for name in ("loss", *task.figure_names) if name in figures}
    if display.live or counts:
        others = "".join(f", {name} {value:.4f}" for name, value in measured.items() if name != "loss")
        mark = "  (best so far)" if best else ""
        display.say(f"step {progress.step}: validation loss {loss:.4f}{others}{mark}")
    if tensorboard is not None:
        for name, value in measured.items():
            tensorboard.add_scalar(f"validation/{name}", value, progress.step)
    return progress


def _save(task: Task, machinery: Machinery, progress: Progress) -> None:
    """The first process writes the checkpoint; of a network that is dealt out, each writes a part of it."""
    if not task.ranks.first:
        if machinery.sharded is not None:
            write_parts(task, machinery, progress.step)
        return
    optimizer = machinery.optimizer.state_tensors()
    num_bytes = (
        sum(tensor.nbytes for tensor in optimizer.values()) + sum(p.nbytes for p in machinery.parameters) + (1 << 20)
    )
    state = {
        "progress": asdict(progress),
        "guard": machinery.guard.state(),
        "scaler": machinery.scaler.state_dict() if machinery.scaler else None,
        "num_threads": machinery.num_threads,
        "processes": task.ranks.size,
        "device": machinery.device.type,
        "precision": machinery.precision,
        "records": task.run.record_marks(),
        **task.fingerprint,
    }
    spent: dict[str, Any] = {} if machinery.privacy is None else {"privacy": machinery.privacy.state()}
    task.run.sync_records()
    write_model = task.save_model
    if machinery.sharded is not None:
        optimizer, num_bytes = {}, num_bytes * task.ranks.size
        write_model = partial(write_parts, task, machinery, progress.step)
    checkpoint = write_checkpoint(task.run.path, progress.step, state | spent, optimizer, num_bytes, write_model)
    task.run.record_checkpoint(checkpoint)
    task.run.log_event("saved", progress.step, checkpoint=checkpoint.name, **spent)
    prune_checkpoints(task.run.path, task.settings.keep_checkpoints, progress.best_step)


@contextmanager
def _writer(task: Task, step: int) -> Iterator[Any]:
    """A TensorBoard writer, or None. After a resume, what it had written past the step is hidden."""
    if not (task.settings.tensorboard and task.ranks.first):
        yield None
        return
    from groundup.run.tensorboard import open_writer

    with open_writer(task.run.path / "tensorboard", step) as writer:
        yield writer

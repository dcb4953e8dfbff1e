"""The one training loop, told in numbered stages. What differs between kinds of training is handed in: batches and loss."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundup.device import peak_flops_per_second
from groundup.errors import TrainingError
from groundup.run.checkpoints import prune_checkpoints, read_state
from groundup.training.between_steps import evaluate, restore, save, stop_if_not_finite, tell_of_spikes
from groundup.training.privacy.accountant import num_steps
from groundup.training.progress import TrainingProgress
from groundup.training.schedules import learning_rate_factor
from groundup.training.step import Machinery, Step, prepare_machinery, take_step
from groundup.training.stop import StopRequest
from groundup.training.stretch import Progress, Stretch
from groundup.training.task import Task


@dataclass(frozen=True)
class Outcome:
    """How a training ended: `max_steps`, `patience`, `privacy_budget`, `SIGINT`, `SIGTERM`, or `until`."""

    progress: Progress
    stopped_because: str

    @property
    def finished(self) -> bool:
        return self.stopped_because in ("max_steps", "patience", "privacy_budget")


@dataclass(frozen=True)
class Due:
    """What there is to do after a step."""

    last: bool
    """Whether it was the last one."""
    stopping: signal.Signals | None
    """The signal that asks for a stop; in several processes the same in all."""
    log: bool
    evaluate: bool
    save: bool


def train(task: Task, resume_from: Path | None = None, until: int | None = None) -> Outcome:
    """Train until `max_steps`, until patience runs out, or until a signal asks to stop. The run must be locked by the caller.

    With `resume_from` (a verified checkpoint) the weights that follow are those of the uninterrupted run, bit for bit, on the
    same machine. After step `until` it saves and leaves off, for whoever replays a stretch. Raises `TrainingError` when the loss
    is not finite; the weights on disk then are all good.
    """
    ranks = task.ranks

    # 1. The machine: device, threads, optimizer, number format.
    machinery = prepare_machinery(task, resume_from)

    # 2. Where to begin: at zero, or as the checkpoint left off.
    progress = _begin(task, machinery, resume_from)
    if _out_of_patience(task, progress):
        return Outcome(progress, "patience")
    last_step = _last_step(task, machinery, progress.step)

    with (
        machinery.shards,
        TrainingProgress(last_step, progress.step, quiet=not ranks.first) as display,
        _writer(task, progress.step) as tensorboard,
        StopRequest() as stop,
    ):
        if (
            progress.step == 0 or progress.evaluation_due
        ):  # an untrained model, to compare with, or what a stop left out
            progress = evaluate(task, machinery, progress, display, tensorboard, stop, counts=progress.step > 0)
        if progress.evaluation_due:  # a stop already; what there is to save is saved
            return _stopped(task, progress, stop, stop.received)
        if _out_of_patience(task, progress):
            return Outcome(progress, "patience")
        stretch = Stretch(machinery.device, ranks, counted_before=progress.step > 0)
        while progress.step < last_step:
            # 3. One step: the batch and its gradients, then the update.
            factor = learning_rate_factor(progress.step, task.settings)
            taken = take_step(task, machinery, progress.step, factor)
            progress = replace(progress, step=progress.step + 1, tokens=progress.tokens + taken.num_tokens)
            stretch.add(taken)
            display.advance(progress.step)

            # 4. The record. This is where the host waits for the device.
            due = _due_after(task, progress.step, last_step, until, stop)
            if due.log or due.save or due.evaluate:
                progress = _record(task, machinery, progress, taken, factor, stretch, due, display, tensorboard)

            # 5. Validation, a sample, the best so far.
            best_before = progress.best_step
            if due.evaluate:
                progress = evaluate(task, machinery, progress, display, tensorboard, stop)
            if progress.evaluation_due:
                save(task, machinery, progress)
                return _stopped(task, progress, stop, stop.received)

            # 6. The checkpoint.
            out_of_patience = _out_of_patience(task, progress)
            if due.save or progress.best_step != best_before or out_of_patience:
                save(task, machinery, progress)
            if due.evaluate and ranks.first:
                task.show()
                _measure_peak_again(machinery)

            # 7. A reason to stop.
            if out_of_patience:
                return Outcome(progress, "patience")
            if due.stopping is not None and not due.last:
                return _stopped(task, progress, stop, due.stopping)
            if progress.step == until:
                return Outcome(progress, "until")
            if due.save or due.evaluate:
                stretch.begin_after_a_pause()
    return Outcome(progress, "max_steps" if last_step == task.settings.max_steps else "privacy_budget")


def _begin(task: Task, machinery: Machinery, resume_from: Path | None) -> Progress:
    """How far training is: at zero, or as the checkpoint left off."""
    progress = restore(task, machinery, resume_from) if resume_from else Progress()
    if machinery.privacy is not None:
        machinery.privacy.go_on(task.run, read_state(resume_from) if resume_from else None)
    if resume_from and task.ranks.first:  # a process that ended in the midst of it may have left more than are kept
        prune_checkpoints(task.run.path, task.settings.keep_checkpoints, progress.best_step)
    return progress


def _out_of_patience(task: Task, progress: Progress) -> bool:
    return 0 < task.settings.patience <= progress.evaluations_without_best


def _due_after(task: Task, step: int, last_step: int, until: int | None, stop: StopRequest) -> Due:
    """What there is to do after a step; all processes come to the same."""
    settings, last, stopping = task.settings, step == last_step, stop.received
    if task.ranks.size > 1:  # whichever of them was asked to stop, they do so after the same step
        asked = task.ranks.largest(stopping or 0)
        stopping = signal.Signals(asked) if asked else None
    return Due(
        last=last,
        stopping=stopping,
        log=step % settings.logging_steps == 0 or last,
        evaluate=step % settings.eval_steps == 0 or last,
        save=step % settings.save_steps == 0 or last or stopping is not None or step == until,
    )


def _record(
    task: Task,
    machinery: Machinery,
    progress: Progress,
    taken: Step,
    factor: float,
    stretch: Stretch,
    due: Due,
    display: TrainingProgress,
    tensorboard: Any,
) -> Progress:
    """Look whether all is finite, and how fast the steps since the last record were; log it where that is due."""
    stop_if_not_finite(task, machinery, progress.step)
    tell_of_spikes(task, machinery)
    elapsed = stretch.elapsed
    if due.save or due.evaluate:
        progress = stretch.add_energy(progress)
    progress = replace(progress, seconds=progress.seconds + elapsed)
    speed, reached = stretch.tokens / max(elapsed, 1e-9), stretch.flops / max(elapsed, 1e-9) / task.ranks.size
    if reached > machinery.peak_flops:
        _measure_peak_again(machinery)
    if due.log:
        mfu = reached / machinery.peak_flops
        _log(task, machinery, progress, taken, factor, speed, mfu, display, tensorboard)
    stretch.begin()
    if machinery.privacy is not None and (due.save or due.evaluate):
        # Before anybody can see these weights: whatever becomes of them, what they took was spent.
        machinery.privacy.tell(task.run, progress.step)
    return progress


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


def _measure_peak_again(machinery: Machinery) -> None:
    """On a machine that others use, the first measurement may have met a busy moment; the best one counts."""
    with machinery.shards.at_rest():
        again = peak_flops_per_second(machinery.device, machinery.precision, seconds=0.02)
    machinery.peak_flops = max(machinery.peak_flops, again)


def _stopped(task: Task, progress: Progress, stop: StopRequest, by: signal.Signals | None) -> Outcome:
    stop.heeded = True
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


@contextmanager
def _writer(task: Task, step: int) -> Iterator[Any]:
    """A TensorBoard writer, or None. After a resume, what it had written past the step is hidden."""
    if not (task.settings.tensorboard and task.ranks.first):
        yield None
        return
    from groundup.run.tensorboard import open_writer

    with open_writer(task.run.path / "tensorboard", step) as writer:
        yield writer

"""What comes between steps: validation and a sample, a checkpoint, going on from one, and a look at whether all is finite."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from groundup.device import give_back_freed_memory
from groundup.errors import TrainingError
from groundup.run.checkpoints import list_checkpoints, prune_checkpoints, read_state, write_checkpoint
from groundup.training.checkpoint_parts import load_optimizer, write_parts
from groundup.training.progress import TrainingProgress
from groundup.training.settings import TrainingSettings
from groundup.training.step import Machinery
from groundup.training.stop import StoppedAtOnce, StopRequest
from groundup.training.stretch import Progress
from groundup.training.task import Task


def evaluate(
    task: Task,
    machinery: Machinery,
    progress: Progress,
    display: TrainingProgress,
    tensorboard: Any,
    stop: StopRequest,
    counts: bool = True,
) -> Progress:
    """Measure the model and let it write; with `counts`, keep the best and patience. The first process does, and tells the others.

    A stop leaves that, and it stays due. Shards rest meanwhile. The memory that it took is given back: the next step would only add to it.
    """
    with machinery.shards.at_rest(), machinery.sharded.as_whole() if machinery.sharded is not None else nullcontext():
        if task.ranks.size == 1:
            progress = _evaluate_here(task, progress, display, tensorboard, stop, counts)
        else:
            found = task.ranks.once(lambda: asdict(_evaluate_here(task, progress, display, tensorboard, stop, counts)))
            progress = Progress(**found)
    give_back_freed_memory()
    return progress


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


def save(task: Task, machinery: Machinery, progress: Progress) -> None:
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


def restore(task: Task, machinery: Machinery, checkpoint: Path) -> Progress:
    """Optimizer, guard and loss scale as a checkpoint has them, and how far it had come; its weights are the task's already."""
    state = read_state(checkpoint)
    load_optimizer(task, machinery, checkpoint)
    machinery.guard.load_state(state["guard"])
    machinery.spikes_told = int(machinery.guard.spikes)
    if machinery.scaler is not None and state["scaler"] is not None:
        machinery.scaler.load_state_dict(state["scaler"])
    return Progress(**state["progress"])


def stop_if_not_finite(task: Task, machinery: Machinery, step: int) -> None:
    """Raise `TrainingError` if the weights, the loss or its gradient were not finite since the last look."""
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


def tell_of_spikes(task: Task, machinery: Machinery) -> None:
    """Log an event when steps were skipped since the last look."""
    spikes = int(machinery.guard.spikes)
    if spikes > machinery.spikes_told:
        why = (
            f"loss or gradient norm stood {task.settings.spike_sigmas:g} standard deviations above the last steps' mean"
        )
        count = spikes - machinery.spikes_told
        task.run.log_event("skipped_spike", int(machinery.guard.last_spike) + 1, why=why, count=count)
        machinery.spikes_told = spikes

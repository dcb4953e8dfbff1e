"""One optimizer step: a batch, its gradients, and an update that never carries a NaN. The loop around it is in loop.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from groundup.device import (
    autocast_dtype,
    hand_back_freed_memory,
    keep_freed_memory,
    precision_on,
    products_in_tf32,
    set_threads,
    to_device,
)
from groundup.model.counts import training_flops
from groundup.run.checkpoints import read_state
from groundup.training.compiled import compiled
from groundup.training.guard import StepGuard
from groundup.training.narrow_weights import may_be_narrow, with_narrow_weights
from groundup.training.optimizers import Optimizer, gradient_norm, trainable
from groundup.training.privacy.randomness import secret_seed
from groundup.training.privacy.steps import PrivateSteps
from groundup.training.ranks import Ranks
from groundup.training.recorded_step import Recorder
from groundup.training.settings import TrainingSettings
from groundup.training.shards import Shards, num_shards
from groundup.training.task import Task

if TYPE_CHECKING:
    from groundup.training.sharded import ShardedNetwork

LARGE_NETWORK = 30_000_000
"""Parameters from which on the zeroing of fresh memory is little beside a step, and holes in what is kept are not."""


@dataclass
class Machinery:
    """Everything that is made once, before the first step."""

    device: torch.device
    optimizer: Optimizer
    guard: StepGuard
    scaler: torch.amp.GradScaler | None
    precision: str
    """The number format of the matrix products: fp32, tf32, bf16 or fp16."""
    dtype: torch.dtype | None
    """The same for autocast; None for fp32 and TF32."""
    shards: Shards
    num_threads: int
    peak_flops: float
    parameters: list[nn.Parameter]
    """Those that are trained."""
    learners: Sequence[Tensor]
    """Where their gradients come to: they themselves, or copies in another format (narrow_weights.py)."""
    adapter_parameters: int | None
    """How many there are beside frozen weights; None if all weights are trained."""
    recorder: Recorder | None = None
    """Of steps on a CUDA card, where they can be recorded."""
    places: tuple[Tensor, Tensor] | None = None
    """On a card, where the step's number and its share of the learning rates stand."""
    privacy: PrivateSteps | None = None
    sharded: ShardedNetwork | None = None
    spikes_told: int = 0


class Now(NamedTuple):
    """Which step it is. What a recorded step reads of that stands on the device."""

    step: int
    number: int | Tensor
    """The same; on a card a scalar there, in the same place at each step."""
    factor: float | Tensor
    """Of each learning rate's peak; on a card likewise."""


class Step(NamedTuple):
    """What one optimizer step was."""

    loss: Tensor
    """Before the step, on the device, as is the norm of the gradient, which is that before clipping."""
    grad_norm: Tensor
    num_tokens: int
    """Tokens that were predicted and carried loss."""
    flops: int
    """Operations of its matrix products, with those on padding."""
    figures: Tensor
    """(F,) the means of what `Task.figure_names` names, on the device."""


def prepare_machinery(task: Task, resume_from: Path | None = None) -> Machinery:
    """Optimizer, guard, threads and number format for a task; its `shards` are to be entered before the first step."""
    settings = task.settings
    device = task.shard_to or next(task.model.parameters()).device
    wanted_threads = _wanted_threads(task, resume_from)
    dtype = autocast_dtype(settings.precision, device)
    task.model.activation_checkpointing = settings.activation_checkpointing
    num_threads = set_threads(wanted_threads)
    if device.type == "cpu":
        large = sum(parameter.numel() for parameter in task.model.parameters()) > LARGE_NETWORK
        (hand_back_freed_memory if large else keep_freed_memory)()
    parts = num_shards(settings, device, num_threads, task.ranks.size)
    if task.shard_to is not None:
        return _sharded_machinery(task, device, num_threads, dtype)
    parameters = trainable(task.model)
    frozen = any(not parameter.requires_grad for parameter in task.model.parameters())
    network, copies = task.model, None
    if may_be_narrow(task, device, dtype):
        network, copies = with_narrow_weights(task.model, torch.bfloat16)
    runs = compiled(network, device) if settings.compile else network
    return Machinery(
        device=device,
        optimizer=Optimizer(task.model, settings, parts, dtype, task.ranks, narrow=copies),
        guard=StepGuard(settings.spike_sigmas, device),
        scaler=_loss_scaler(device) if dtype == torch.float16 else None,
        precision=precision_on(device, settings.precision),
        dtype=dtype,
        shards=Shards(task.model, runs, parts, num_threads, task.ranks),
        num_threads=num_threads,
        peak_flops=task.peak_flops,
        parameters=parameters,
        learners=trainable(network),
        adapter_parameters=sum(parameter.numel() for parameter in parameters) if frozen else None,
        recorder=Recorder(device) if _can_be_recorded(task, device) else None,
        privacy=PrivateSteps(task.privacy) if task.privacy else None,
    )


def _can_be_recorded(task: Task, device: torch.device) -> bool:
    """On a card, where nothing travels between processes."""
    return device.type == "cuda" and task.recordable and task.settings.steps_alike and task.ranks.size == 1


def _sharded_machinery(task: Task, device: torch.device, num_threads: int, dtype: torch.dtype | None) -> Machinery:
    from groundup.training.sharded import ShardedNetwork  # takes most of a second to load

    settings, sharded = task.settings, ShardedNetwork(task.model, task.ranks, device)
    rows = list(sharded.rows.values())
    adapters = sum(p.numel() for p in trainable(task.model)) if len(rows) < len([*task.model.parameters()]) else None
    return Machinery(
        device=device,
        optimizer=Optimizer(task.model, settings, 1, dtype, task.ranks, sharded.rows),
        guard=StepGuard(settings.spike_sigmas, device),
        scaler=_loss_scaler(device) if dtype == torch.float16 else None,
        precision=precision_on(device, settings.precision),
        dtype=dtype,
        shards=Shards(sharded.network, sharded.network, 1, num_threads, task.ranks),
        num_threads=num_threads,
        peak_flops=task.peak_flops,
        parameters=rows,
        learners=rows,
        adapter_parameters=adapters,
        sharded=sharded,
    )


def _loss_scaler(device: torch.device) -> torch.amp.GradScaler:
    """A loss scale that is there already. By itself it would be made with the first loss, which several threads have at once, and a process
    without rows never."""
    scaler = torch.amp.GradScaler(device.type)
    scaler.scale(torch.zeros((), device=device))
    return scaler


def _wanted_threads(task: Task, resume_from: Path | None) -> int:
    """Those that the run began with, unless other processes trained it then."""
    state = read_state(resume_from) if resume_from else {}
    if state and state.get("processes", 1) == task.ranks.size:
        return int(state["num_threads"])
    return task.ranks.threads(task.settings.num_threads)


def take_step(task: Task, machinery: Machinery, step: int, factor: float) -> Step:
    """One optimizer step, each learning rate at `factor` of its peak."""
    if not task.model.training and machinery.sharded is None:
        task.model.train()
    rows = task.batch(step)
    batch = to_device(rows, machinery.device)
    num_tokens = max(1, task.count_targets(rows))
    num_terms = max(1, task.count_terms(rows)) if task.count_terms is not None else num_tokens
    compute = partial(_compute, task, machinery, _now(machinery, step, factor), num_terms)
    machinery.optimizer.zero_grad()  # before one is recorded, which needs their memory
    _seed(task, machinery, step, part=0)
    if machinery.recorder is not None:
        means, grad_norm = machinery.recorder.run(compute, batch)
    else:
        means, grad_norm = compute(batch)
    num_rows, length = task.rows_read(rows)
    flops = training_flops(task.model.config, num_rows * length, length, num_tokens, machinery.adapter_parameters)
    return Step(means[0], grad_norm, num_tokens, flops, means[1:])


def _now(machinery: Machinery, step: int, factor: float) -> Now:
    if machinery.device.type != "cuda":
        return Now(step, step, factor)
    if machinery.places is None:
        machinery.places = (
            torch.zeros((), dtype=torch.int64, device=machinery.device),
            torch.zeros((), device=machinery.device),
        )
    number, share = machinery.places
    return Now(step, number.fill_(step), share.fill_(factor))  # in order with what is computed there, without a wait


def _compute(task: Task, machinery: Machinery, now: Now, num_terms: int, batch: Tensor) -> tuple[Tensor, Tensor]:
    """All that the device does: gradients and update. The means of loss and figures, (1 + F,), and the norm before clipping."""
    with products_in_tf32() if machinery.precision == "tf32" else nullcontext():
        means = _accumulate_gradients(task, machinery, now.step, batch, num_terms)
        return means, _update(task.settings, machinery, now, means[0])


def _seed(task: Task, machinery: Machinery, step: int, part: int) -> None:
    """What a part's dropout follows from."""
    text = f"{task.settings.seed}:{step}:{part}" if machinery.privacy is None else secret_seed()
    machinery.shards.seed(text)


def _accumulate_gradients(task: Task, machinery: Machinery, step: int, batch: Tensor, num_terms: int) -> Tensor:
    """Gradients of the batch's mean loss, or private ones in their place, part by part; that loss and the figures' means, (1 + F,)."""
    settings, device, sharded = task.settings, machinery.device, machinery.sharded
    if sharded is not None:
        sharded.zero_grad()
    total = torch.zeros(1 + len(task.figure_names), device=device)

    def sums_of(network: nn.Module, rows: Tensor) -> Tensor:
        # Without the cache: each weight is read once on the way there, and where blocks are computed twice their copies need not stay.
        with torch.autocast(device.type, machinery.dtype, cache_enabled=False) if machinery.dtype else nullcontext():
            return task.loss_sum(network, rows)

    def backward(network: nn.Module, rows: Tensor) -> Tensor:
        share = 1.0
        if not len(rows):  # a part has fewer rows than there are processes
            if sharded is None:
                return _nothing_read(network, total)
            rows, share = batch[:1], 0.0  # to gather weights takes all of them
        means = sums_of(network, rows) / num_terms
        if share == 0:
            means = means * share
        loss = means[0] if means.ndim else means
        (machinery.scaler.scale(loss) if machinery.scaler else loss).backward()  # type: ignore[no-untyped-call]
        return means.detach()

    private = machinery.privacy
    way_back = backward if private is None else partial(private.backward, sums_of, num_terms)
    for part, rows in enumerate(batch.chunk(settings.accumulation_steps)):
        if part > 0:
            _seed(task, machinery, step, part)
        total += machinery.shards.run(way_back, rows)
    if private is not None:
        private.finish(machinery.parameters, len(machinery.shards.networks), machinery.shards.each)
    if sharded is not None:
        sharded.take_gradients()
        task.ranks.sum([total])
    elif task.ranks.size > 1:
        task.ranks.sum([parameter.grad for parameter in machinery.parameters if parameter.grad is not None])
        task.ranks.sum([total])
    return total


def _nothing_read(network: nn.Module, total: Tensor) -> Tensor:
    """What the way back gives of no rows: gradients of zero where there are none yet, and a loss of zero."""
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return torch.zeros_like(total) if len(total) > 1 else torch.zeros_like(total[0])


def _update(settings: TrainingSettings, machinery: Machinery, now: Now, loss: Tensor) -> Tensor:
    """Clip, decide whether all of it is finite, step (masked where it isn't). Returns the norm before clipping, on the device."""
    optimizer, scaler = machinery.optimizer, machinery.scaler
    if scaler is not None:
        scaler.unscale_(optimizer)  # type: ignore[arg-type]  # it looks for .param_groups only
    grad_norm = gradient_norm(machinery.learners)
    if machinery.sharded is not None:
        grad_norm = _norm_everywhere(machinery.sharded.ranks, grad_norm, scaler, optimizer)
    limit = settings.max_grad_norm
    shrink = (limit / (grad_norm + 1e-6)).clamp(max=1.0) if limit else None
    if scaler is not None:
        # In fp16 an overflowing gradient is a matter of the loss scale, not of the model: skipped, but no fault.
        skip = machinery.guard.check(now.number, loss, grad_norm, overflow=~torch.isfinite(grad_norm))
    else:
        skip = machinery.guard.check(now.number, loss, grad_norm)
    optimizer.step(now.factor, skip, machinery.shards.each, shrink)
    if scaler is not None:
        scaler.update()
    return grad_norm


def _norm_everywhere(ranks: Ranks, norm: Tensor, scaler: torch.amp.GradScaler | None, optimizer: Optimizer) -> Tensor:
    """The norm of the whole gradient, from that of this process's rows. A loss scale hears of an overflow in any of them."""
    square = norm.square()
    ranks.sum([square])
    if scaler is not None:
        found: Mapping[torch.device, Tensor] = scaler._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        ranks.sum(list(found.values()))
    return square.sqrt()

"""A step that is too long to be taken whole: fewer rows, through the first of its blocks, which are alike, and what that tells of all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from groundup.model.counts import parameter_counts, training_flops
from groundup.model.settings import TransformerConfig
from groundup.recipe.rehearsal import Rehearsal
from groundup.training.muon import Each, Muon, in_turn, orthogonalizing_flops
from groundup.training.optimizers import Optimizer, trainable
from groundup.training.shards import Shards, same_weights
from groundup.training.step import Machinery, take_step
from groundup.training.task import Task

FEWEST_TOKENS = 33  # of a row that is cut
WORK_OF_A_WEIGHT = 1000
"""Products' operations that take as long as what a step does with each weight that is trained, however few its tokens are: it is read, its
gradient comes in fresh memory from every thread, and both are read again. Measured: 1,000 to 1,500, of 350 million."""
SMALL_FACTOR = 1e-6  # of the learning rates: the weights are thrown away, and random text would push them far


@dataclass(frozen=True)
class InPart:
    """What was found of steps that were taken in part."""

    few: tuple[float, int]
    """Seconds and operations of a few tokens, without an update."""
    more: tuple[float, int]
    """Of more tokens, without an update, on the mean."""
    update: float
    """Seconds that the whole network's update takes."""
    larger: float
    """How many times as many numbers the whole network has as what they went through."""
    first: float
    """Seconds that the first steps take more."""
    spent: float
    """Seconds of all that were taken."""

    def seconds_of(self, flops: float) -> float:
        """Of a whole step of so many operations, all blocks and the update: the middle of two bounds. All of it grows with its operations,
        or what a few tokens take, as a walk through all weights does, grows with these alone."""
        (stays, few), (seconds, operations) = self.few, self.more
        at_least = self.larger * stays
        at_least += max(0.0, seconds - stays) * (flops - self.larger * few) / (operations - few)
        return self.update + (flops / operations * seconds + at_least) / 2


def counted(rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray, blocks: int | None = None) -> tuple[int, int]:
    """Operations and learned tokens of a step of these rows, through all blocks or the first few."""
    task, adapters = rehearsal.task, machinery.adapter_parameters
    num_rows, length = task.rows_read(rows)
    learned = max(1, task.count_targets(rows))
    config = with_blocks(task.model.config, blocks)
    if adapters is not None:
        adapters = adapters * config.num_layers // task.model.config.num_layers
    return training_flops(config, num_rows * length, length, learned, adapters), learned


def work(rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray, blocks: int | None = None) -> float:
    """Operations of a step of these rows with its update, or what takes as long as so many."""
    whole, adapters = rehearsal.task.model.config, machinery.adapter_parameters
    config = with_blocks(whole, blocks)
    share = config.num_layers / whole.num_layers
    trained = parameter_counts(config)["total"] if adapters is None else share * adapters
    update = share * sum(_flops_of_parts(machinery.optimizer.muon)) + WORK_OF_A_WEIGHT * trained
    return counted(rehearsal, machinery, rows, blocks)[0] + update


def with_blocks(config: TransformerConfig, blocks: int | None) -> TransformerConfig:
    """The same network with the first few blocks alone, or with all."""
    if blocks is None:
        return config
    return replace(config, num_layers=blocks, first_windowed_layer=min(config.first_windowed_layer, blocks - 1))


def can_be_told_in_part(rehearsal: Rehearsal) -> bool:
    """Whether some blocks' steps tell those of all: on a CPU, where an update can be timed by itself and the memory need not be seen, and
    of a network that isn't compiled, which would be compiled anew."""
    return rehearsal.device.type == "cpu" and not rehearsal.task.settings.compile


def cut(rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray, most: float) -> tuple[np.ndarray, int]:
    """Of what has more operations than `most`: fewer rows, then fewer blocks where these tell of all, then shorter rows.

    Two blocks at the least, since of adapters the first has less to do; or one, where two have more matrices to orthogonalize.
    """
    fewest = len(machinery.shards.networks) * rehearsal.task.settings.accumulation_steps
    blocks = every = rehearsal.task.model.config.num_layers
    while counted(rehearsal, machinery, rows)[0] > most and len(rows) // 2 >= fewest:
        rows = rows[: len(rows) // 2]
    if can_be_told_in_part(rehearsal):
        while work(rehearsal, machinery, rows, blocks) > most and blocks > 2:
            blocks = max(2, blocks // 2)
        if sum(_flops_of_parts(machinery.optimizer.muon)) * blocks / every > most:
            blocks = 1
    while counted(rehearsal, machinery, rows, blocks)[0] > most and rows.shape[-1] > FEWEST_TOKENS + 1:
        rows = rows[..., : max(FEWEST_TOKENS, (rows.shape[-1] - 1) // 2) + 1]
    return rows, blocks


def _flops_of_parts(muon: Muon) -> list[int]:
    """Operations of an update's products, of each part: these are done side by side."""
    return [
        sum(orthogonalizing_flops(*block.weights.shape) for blocks in part for block in blocks) for part in muon.parts
    ]


def steps_in_part(
    rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray, blocks: int, step: int, budget: float
) -> InPart:
    """Steps of these rows through the first blocks for about so many seconds, one at the least; before them some of a few tokens, without
    an update, as the first of all are slower."""
    end = time.perf_counter() + budget
    few = rows[..., : FEWEST_TOKENS + 1]
    config = rehearsal.task.model.config
    whole, part = (parameter_counts(each)["total"] for each in (config, with_blocks(config, blocks)))
    with _through_some_blocks(rehearsal.task, machinery, blocks) as (task, some, optimizer):

        def take(batch: np.ndarray) -> _One:
            optimizer.seconds = 0.0
            start = time.perf_counter()
            taken = take_step(replace(task, batch=lambda step: batch), some, step, SMALL_FACTOR)
            taken.loss.item()
            return _One(time.perf_counter() - start - optimizer.seconds, optimizer.seconds, taken.flops)

        optimizer.rests = True
        warm_up = [take(few), take(few)]
        if sum(one.seconds for one in warm_up) < 0.3 * budget:
            warm_up.append(take(few))
        optimizer.rests = False
        taken = [take(rows)]
        while time.perf_counter() + taken[-1].spent / 2 < end:
            taken.append(take(rows))
    least = min(one.seconds for one in warm_up)
    return InPart(
        few=(least, warm_up[0].flops) if few.size <= rows.size // 3 else (0.0, 0),
        more=(float(np.mean([one.seconds for one in taken])), taken[0].flops),
        update=float(np.mean([one.update for one in taken])) * _updated(machinery.optimizer) / _updated(optimizer),
        larger=whole / part,
        first=whole / part * sum(one.seconds - least for one in warm_up),
        spent=sum(one.spent for one in (*warm_up, *taken)),
    )


class _One(NamedTuple):
    """A step that was taken."""

    seconds: float
    """Without its update."""
    update: float
    flops: int

    @property
    def spent(self) -> float:
        return self.seconds + self.update


class _TimedOptimizer(Optimizer):
    """Tells how long its updates take, and leaves them out where it rests."""

    rests = False
    seconds = 0.0

    def step(self, factor: float | Tensor, skip: Tensor, each: Each = in_turn, shrink: Tensor | None = None) -> None:
        if not self.rests:
            start = time.perf_counter()
            super().step(factor, skip, each, shrink)
            self.seconds += time.perf_counter() - start


def _updated(optimizer: Optimizer) -> int:
    """What an update's time grows with: the operations of the part that orthogonalizes most, or else how many numbers are trained."""
    return max(_flops_of_parts(optimizer.muon)) or sum(
        parameter.numel() for group in optimizer.param_groups for parameter in group["params"]
    )


@contextmanager
def _through_some_blocks(
    task: Task, machinery: Machinery, blocks: int
) -> Iterator[tuple[Task, Machinery, _TimedOptimizer]]:
    """The same training of a network that has the first blocks alone. It shares the weights; its moments are its own."""
    model = same_weights(task.model)
    model.blocks, model.config = model.blocks[:blocks], with_blocks(task.model.config, blocks)
    parameters, parts = trainable(model), len(machinery.shards.networks)
    optimizer = _TimedOptimizer(model, task.settings, parts, machinery.dtype, task.ranks)
    for moment in optimizer.state_tensors().values():
        moment.zero_()  # so that its memory is there already, as it is from the second step on
    adapters = None if machinery.adapter_parameters is None else sum(each.numel() for each in parameters)
    with Shards(model, model, parts, machinery.num_threads, task.ranks) as shards:
        some = replace(
            machinery,
            optimizer=optimizer,
            shards=shards,
            parameters=parameters,
            learners=parameters,
            adapter_parameters=adapters,
        )
        yield replace(task, model=model), some, optimizer
    torch.set_num_threads(machinery.shards.threads_each)

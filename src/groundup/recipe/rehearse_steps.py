"""Some steps of each kind that a training has, short rows and whole ones: what a mean step of all takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from groundup.device import card_uuid, synchronize
from groundup.energy import EnergyMeter
from groundup.model.counts import training_flops
from groundup.recipe.rehearsal import Rehearsal
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.recorded_step import ORDINARY
from groundup.training.step import Machinery, take_step
from groundup.training.task import Task

LONGEST_STEP = 6.0  # seconds: one that is taken to be longer is cut
FEWEST_TOKENS = 33  # of a row that is cut
MOST_STEPS = 400
SMALL_FACTOR = 1e-6  # of the learning rates: the weights are thrown away, and random text would push them far
BATCHES_LOOKED_AT = 64  # of rows of unlike lengths, to know their mean


@dataclass(frozen=True)
class Kind:
    """Steps that are alike."""

    start: int
    share: float
    """Of all steps."""
    flops: float
    """Of a mean one."""
    tokens: float


@dataclass(frozen=True)
class Steps:
    """What a mean step takes."""

    seconds: float
    first: float
    """Seconds that the first one takes more."""
    flops: float
    tokens: float
    watts: float | None
    cores_share: float
    cut: bool
    """Whether they were too long to be taken whole."""


@dataclass(frozen=True)
class Taken:
    """Steps of one kind that were taken."""

    seconds: list[float]
    flops: list[int]
    cut: bool
    unlike: int = 1
    """How many of the first are not like the rest: on a card those that are taken before one is recorded, and the recording."""
    few: tuple[float, int] = (0.0, 0)
    """Seconds and operations of a step of a few tokens, where others were cut."""

    def seconds_of(self, flops: float) -> float:
        """Of a step of so many operations: by all that are alike, where there are more than others.

        Of a step that was cut, the middle of two bounds: all of it grows with its operations, or what a few tokens take stays as it is,
        as an update does.
        """
        begin = self.unlike if len(self.seconds) > self.unlike else len(self.seconds) - 1
        seconds, operations = float(np.mean(self.seconds[begin:])), float(np.mean(self.flops[begin:]))
        stays, few = self.few
        at_least = stays + max(0.0, seconds - stays) * (flops - few) / (operations - few)
        return (flops / operations * seconds + at_least) / 2


def take_steps(rehearsal: Rehearsal, machinery: Machinery, speed: float) -> Steps:
    """Some of each kind of step, in a good third of the time that is left. `speed`: operations a second that they are taken to reach."""
    kinds = _kinds_of_steps(rehearsal, machinery)
    meter, budget = EnergyMeter(card_uuid(rehearsal.device)), 0.42 * rehearsal.left / len(kinds)
    joules: list[float | None] = []
    taken: list[Taken] = []
    worked = time.process_time()
    for kind in kinds:
        meter.read()
        taken.append(_steps_of(rehearsal, machinery, kind, budget, LONGEST_STEP * speed))
        joules.append(meter.read())
    spent = sum(sum(one.seconds) for one in taken)
    worked = (time.process_time() - worked) / (spent * len(machinery.shards.networks))
    known = [each for each in joules if each is not None]
    begun = taken if rehearsal.task.settings.compile else taken[:1]  # rows of another length are compiled once more
    more = (one.seconds[0] - one.seconds_of(one.flops[0]) for one in begun if len(one.seconds) > 1)
    return Steps(
        seconds=sum(kind.share * one.seconds_of(kind.flops) for kind, one in zip(kinds, taken, strict=True)),
        first=sum(max(0.0, each) for each in more),
        flops=sum(kind.share * kind.flops for kind in kinds),
        tokens=sum(kind.share * kind.tokens for kind in kinds),
        watts=sum(known) / spent if known and len(known) == len(joules) else None,
        cores_share=min(1.0, worked) if rehearsal.device.type == "cpu" else 1.0,
        cut=any(one.cut for one in taken),
    )


def _steps_of(rehearsal: Rehearsal, machinery: Machinery, kind: Kind, budget: float, most: float) -> Taken:
    """Steps of a kind for about so many seconds, and one at least, where these are not too long, that is like the rest; none of more than
    `most` operations."""
    task, settings, end = rehearsal.task, rehearsal.task.settings, time.perf_counter() + budget
    whole = task.batch(kind.start)
    rows, few = _cut(rehearsal, machinery, whole, most), _cut(rehearsal, machinery, whole, 0)
    shortened = rows.size < whole.size
    unlike = 1 if machinery.recorder is None else ORDINARY + 1
    seconds: list[float] = []
    flops: list[int] = []

    def take(of: Task) -> None:
        step = (kind.start + len(seconds)) % settings.max_steps
        start = time.perf_counter()
        taken = take_step(of, machinery, step, SMALL_FACTOR)
        if step % settings.logging_steps == 0 or len(seconds) < unlike + 2:
            taken.loss.item()
            synchronize(rehearsal.device)
        seconds.append(time.perf_counter() - start)
        flops.append(taken.flops)

    small = (0.0, 0)
    if shortened:
        task = replace(task, batch=lambda step: rows)
        if machinery.recorder is None and few.size <= rows.size // 3:
            take(replace(task, batch=lambda step: few))
            small = (seconds[0], flops[0])
            if seconds[0] < 0.2 * budget:  # the first one takes more
                take(replace(task, batch=lambda step: few))
                small = (seconds.pop(), flops.pop())
    while len(seconds) <= unlike or (len(seconds) < MOST_STEPS and time.perf_counter() + seconds[-1] / 2 < end):
        if len(seconds) == 1 and seconds[0] > 0.8 * budget and small == (0.0, 0) and not settings.compile:
            break  # of a compiled network the first one is mostly the compiler's
        take(task)
    return Taken(seconds, flops, shortened, unlike, small)


def _kinds_of_steps(rehearsal: Rehearsal, machinery: Machinery) -> list[Kind]:
    """Shorter rows at first, if the recipe has them, then whole ones."""
    training = rehearsal.task.settings
    begin = round(training.length_warmup_fraction * training.max_steps)
    ranges = [each for each in ((0, begin), (begin, training.max_steps)) if each[0] < each[1]]
    return [
        Kind(start, (end - start) / training.max_steps, *_mean_of(rehearsal, machinery, start, end))
        for start, end in ranges
    ]


def _mean_of(rehearsal: Rehearsal, machinery: Machinery, start: int, end: int) -> tuple[float, float]:
    """Operations and learned tokens of a mean step: all are alike, or, where rows have lengths of their own, some are looked at."""
    unlike = isinstance(rehearsal.data, PreparedExamples) or rehearsal.settings.data.packing == "documents"
    some = min(end - start, BATCHES_LOOKED_AT) if unlike else 1
    batches = (rehearsal.task.batch(start + (end - start) * place // some) for place in range(some))
    found = [_counted(rehearsal, machinery, batch) for batch in batches]
    return float(np.mean([flops for flops, _ in found])), float(np.mean([tokens for _, tokens in found]))


def _counted(rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray) -> tuple[int, int]:
    """Operations and learned tokens of a step of these rows."""
    task = rehearsal.task
    num_rows, length = task.rows_read(rows)
    learned = max(1, task.count_targets(rows))
    adapters = machinery.adapter_parameters
    return training_flops(task.model.config, num_rows * length, length, learned, adapters), learned


def _cut(rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray, most: float) -> np.ndarray:
    """Fewer rows, and then shorter ones, where a step of all of them would take more operations."""
    fewest = len(machinery.shards.networks) * rehearsal.task.settings.accumulation_steps
    while _counted(rehearsal, machinery, rows)[0] > most and len(rows) // 2 >= fewest:
        rows = rows[: len(rows) // 2]
    while _counted(rehearsal, machinery, rows)[0] > most and rows.shape[-1] > FEWEST_TOKENS + 1:
        rows = rows[..., : max(FEWEST_TOKENS, (rows.shape[-1] - 1) // 2) + 1]
    return rows

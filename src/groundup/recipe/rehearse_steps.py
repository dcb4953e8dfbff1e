"""Some steps of each kind that a training has, short rows and whole ones: what a mean step of all takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from groundup.device import card_uuid, synchronize
from groundup.energy import EnergyMeter
from groundup.recipe.rehearsal import Rehearsal
from groundup.recipe.rehearse_part import SMALL_FACTOR, InPart, can_be_told_in_part, counted, cut, steps_in_part, work
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.recorded_step import ORDINARY
from groundup.training.step import Machinery, take_step

LONGEST_STEP = 6.0  # seconds: one that is taken to be longer is cut
LONGEST_PART = 4.0  # seconds: to so much
MOST_STEPS = 400
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

    @property
    def spent(self) -> float:
        """Seconds of all."""
        return sum(self.seconds)

    @property
    def first(self) -> float:
        """Seconds that the first one takes more."""
        return max(0.0, self.seconds[0] - self.seconds_of(self.flops[0])) if len(self.seconds) > 1 else 0.0

    def seconds_of(self, flops: float) -> float:
        """Of a step of so many operations: by all that are alike, where there are more than others."""
        begin = self.unlike if len(self.seconds) > self.unlike else len(self.seconds) - 1
        return flops / float(np.mean(self.flops[begin:])) * float(np.mean(self.seconds[begin:]))


def take_steps(rehearsal: Rehearsal, machinery: Machinery, speed: float) -> Steps:
    """Some of each kind of step, in a good third of the time that is left. `speed`: operations a second that they are taken to reach."""
    kinds, most = _kinds_of_steps(rehearsal, machinery), LONGEST_STEP * speed
    in_part = all(_in_part(rehearsal, machinery, rehearsal.task.batch(kind.start), most) for kind in kinds)
    apart = kinds[-1:] if in_part else kinds  # rows of all lengths are cut to much the same
    meter, budget = EnergyMeter(card_uuid(rehearsal.device)), 0.42 * rehearsal.left / len(apart)
    joules: list[float | None] = []
    taken: list[Taken | InPart] = []
    worked = time.process_time()
    for kind in apart:
        meter.read()
        taken.append(_steps_of(rehearsal, machinery, kind, budget, most))
        joules.append(meter.read())
    spent = sum(one.spent for one in taken)
    worked = (time.process_time() - worked) / (spent * len(machinery.shards.networks))
    known = [each for each in joules if each is not None]
    begun = taken if rehearsal.task.settings.compile else taken[:1]  # rows of another length are compiled once more
    by_kind = taken if len(taken) == len(kinds) else taken * len(kinds)
    return Steps(
        seconds=sum(kind.share * one.seconds_of(kind.flops) for kind, one in zip(kinds, by_kind, strict=True)),
        first=sum(one.first for one in begun),
        flops=sum(kind.share * kind.flops for kind in kinds),
        tokens=sum(kind.share * kind.tokens for kind in kinds),
        watts=sum(known) / spent if known and len(known) == len(joules) else None,
        cores_share=min(1.0, worked) if rehearsal.device.type == "cpu" else 1.0,
        cut=any(isinstance(one, InPart) or one.cut for one in taken),
    )


def _in_part(rehearsal: Rehearsal, machinery: Machinery, rows: np.ndarray, most: float) -> bool:
    """Whether a step of these rows is too long to be taken whole, and some of its blocks can tell of all."""
    return can_be_told_in_part(rehearsal) and work(rehearsal, machinery, rows) > most


def _steps_of(rehearsal: Rehearsal, machinery: Machinery, kind: Kind, budget: float, most: float) -> Taken | InPart:
    """Steps of a kind for about so many seconds, and one at least, where these are not too long, that is like the rest; none of more than
    `most` operations."""
    task, settings, end = rehearsal.task, rehearsal.task.settings, time.perf_counter() + budget
    whole = task.batch(kind.start)
    if _in_part(rehearsal, machinery, whole, most):
        rows, blocks = cut(rehearsal, machinery, whole, most * LONGEST_PART / LONGEST_STEP)
        return steps_in_part(rehearsal, machinery, rows, blocks, kind.start, budget)
    rows, _ = cut(rehearsal, machinery, whole, most)
    if shortened := rows.size < whole.size:
        task = replace(task, batch=lambda step: rows)
    unlike = 1 if machinery.recorder is None else ORDINARY + 1
    seconds: list[float] = []
    flops: list[int] = []
    while len(seconds) <= unlike or (len(seconds) < MOST_STEPS and time.perf_counter() + seconds[-1] / 2 < end):
        if len(seconds) == 1 and seconds[0] > 0.8 * budget and not settings.compile:
            break  # of a compiled network the first one is mostly the compiler's
        step = (kind.start + len(seconds)) % settings.max_steps
        start = time.perf_counter()
        taken = take_step(task, machinery, step, SMALL_FACTOR)
        if step % settings.logging_steps == 0 or len(seconds) < unlike + 2:
            taken.loss.item()
            synchronize(rehearsal.device)
        seconds.append(time.perf_counter() - start)
        flops.append(taken.flops)
    return Taken(seconds, flops, shortened, unlike)


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
    found = [counted(rehearsal, machinery, batch) for batch in batches]
    return float(np.mean([flops for flops, _ in found])), float(np.mean([tokens for _, tokens in found]))

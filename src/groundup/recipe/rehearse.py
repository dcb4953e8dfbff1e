"""A recipe's own steps on this machine, a few of them: what they take, so that all of them can be told before the first.

The network, its batches, threads, number format and optimizer are the recipe's; validation, a sample, a checkpoint and the report are made
once or twice, in a folder that is thrown away. What is too long for the time there is is cut to fewer rows, blocks or tokens, and scaled by
its arithmetic.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from groundup.device import give_back_freed_memory, peak_bytes, peak_flops_per_second, set_threads
from groundup.recipe.compose import compose
from groundup.recipe.data import Prepared
from groundup.recipe.expected_memory import rank_here
from groundup.recipe.measured import Measured, Reading
from groundup.recipe.private import privacy_of
from groundup.recipe.reference import Reference
from groundup.recipe.rehearsal import Rehearsal, timed
from groundup.recipe.rehearse_between import read, read_reference, sample_token, write_sample
from groundup.recipe.rehearse_files import Saved, publish, read_back, save
from groundup.recipe.rehearse_steps import Steps, take_steps
from groundup.recipe.resume import open_run
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.run.directory import RunDirectory
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.memory import training_memory
from groundup.training.memory_kinds import Load
from groundup.training.memory_parts import Rank
from groundup.training.schedules import with_steps
from groundup.training.step import prepare_machinery

LEAST_SHARE = 0.1
"""Of the time: where less is left for reading at the end, what was read beside the steps has to do."""


def rehearse(
    settings: Recipe,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    load: Load,
    seconds: float,
    opened: float,
) -> Measured:
    """Take some steps of a recipe's training, and what comes between and after them, in about so many seconds.

    `load`: what the memory is worked out from where not all of it can be seen here. `opened`: seconds that it has taken
    already to open data and model. Nothing is kept.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="groundup-plan-") as folder:
        rehearsal = _prepare(settings, data, files, device, Path(folder) / "run", seconds, begun)
        start = time.perf_counter()
        reference = read_reference(rehearsal) if settings.training.objective == "preference" else None
        apart = time.perf_counter() - start  # which is no part of opening: the reading of all pairs is told by itself
        during = _train(rehearsal, reference)
        end = _finish(rehearsal, during.saved, during.evaluation)
    peak = peak_bytes(device)
    cut = during.steps.cut or during.read_in_part or end.cut
    if cut and device.type != "cuda":
        peak = max(peak, training_memory(load, during.rank).total)  # what the whole would take
    return Measured(
        opening=opened + during.begun - begun - apart,
        step=during.steps.seconds,
        first_step=during.steps.first,
        reference=reference,
        evaluation=during.evaluation,
        report=end.report,
        sample_token=during.sample_token,
        checkpoint=during.saved.seconds,
        end=end.reading,
        finish=end.rest + end.report + during.first_times,
        flops=during.steps.flops,
        tokens=during.steps.tokens,
        peak_flops=rehearsal.task.peak_flops,
        peak_bytes=peak,
        watts=during.steps.watts,
        cores_share=during.steps.cores_share,
        cut=cut,
        measuring=time.perf_counter() - begun,
    )


def _prepare(
    settings: Recipe, data: Prepared, files: ModelFiles, device: torch.device, path: Path, seconds: float, begun: float
) -> Rehearsal:
    """A training in `path` that is composed, as `train` makes one."""
    directory = RunDirectory(path)
    directory.path.mkdir()
    training = with_steps(settings.training, data.plan.num_rows)
    settings = replace(settings, training=training)
    num_threads = set_threads(training.num_threads)
    peak = peak_flops_per_second(device, training.precision)
    privacy = privacy_of(training, data)
    open_run(settings, directory, Path(), data, files, device, peak, privacy, lambda line: None)
    files.model.to(device)
    composition = compose(settings, directory, data, files, peak, _reference(data, training.objective), privacy)
    return Rehearsal(settings, data, files, composition, num_threads, device, seconds, begun)


def _reference(data: Prepared, objective: str) -> Reference | None:
    """For pairs: numbers of the right shape, which cost a step the same as true ones."""
    if objective != "preference" or not isinstance(data, PreparedExamples):
        return None
    train, validation = (np.zeros((len(side), 2), np.float32) for side in (data.train, data.validation))
    return Reference(train, validation, "")


@dataclass(frozen=True)
class _During:
    """What was found while the threads were there that take steps."""

    rank: Rank
    """This process as it was before its first step, with all that it held."""
    begun: float
    """When all was ready for the first evaluation."""
    steps: Steps
    evaluation: Reading
    sample_token: float
    saved: Saved
    first_times: float
    """Seconds of what is slower when it is first done: a sample, a report."""
    read_in_part: bool
    """Whether less was read beside what steps hold than a validation reads at once."""


def _train(rehearsal: Rehearsal, reference: Reading | None) -> _During:
    """What training's loop does, once and in its order. Its machinery is gone at the end, as the loop's is."""
    task, opened = rehearsal.task, sum(one.nbytes for one in rehearsal.task.model.parameters())
    rank = rank_here(task.settings, task.model.config, opened)
    machinery = prepare_machinery(task)
    begun = time.perf_counter()
    with machinery.shards:
        with machinery.shards.at_rest():
            first = reference or read(rehearsal, rehearsal.evaluated, 0.05)[0]
            first_sample = write_sample(rehearsal, 2)
        give_back_freed_memory()
        # Text is read in fp32, and in memory that is new: where steps may be faster, what they are taken to reach counts.
        speed = rehearsal.readers * max(rehearsal.speed(first), rehearsal.speed(None))
        steps = take_steps(rehearsal, machinery, speed)
        with machinery.shards.at_rest():
            share = min(0.1, 0.2 * rehearsal.left / rehearsal.seconds)
            evaluation, num_tokens = read(rehearsal, rehearsal.evaluated, share, first)
            sample = sample_token(rehearsal)
        give_back_freed_memory()
        saved = save(rehearsal, machinery)
        in_part = num_tokens < min(rehearsal.evaluated, rehearsal.readers * rehearsal.batch_tokens)
        return _During(rank, begun, steps, evaluation, sample, saved, first_sample + timed(task.show), in_part)


@dataclass(frozen=True)
class _End:
    """What was found once they were gone."""

    reading: Reading
    rest: float
    """Seconds of the rest."""
    report: float
    cut: bool
    """Whether less was read than makes every thread hold as much memory as it ever will."""


def _finish(rehearsal: Rehearsal, saved: Saved, before: Reading) -> _End:
    """What comes once the steps are taken: the best checkpoint is read and measured on all that is held out, and published."""
    verified = read_back(rehearsal, saved)
    every, share = rehearsal.held_out, min(0.2, 0.5 * rehearsal.left / rehearsal.seconds)
    reading, num_tokens = read(rehearsal, every, share, before) if share > LEAST_SHARE else (before, 0)
    write_sample(rehearsal, 2)
    published = publish(rehearsal, saved)
    report = timed(rehearsal.task.show)
    cut = num_tokens < min(every, rehearsal.readers * rehearsal.batch_tokens) or saved.share < 1
    return _End(reading, verified + published, report, cut)

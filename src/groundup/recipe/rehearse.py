"""A recipe's own steps on this machine, a few of them: what they take, so that all of them can be told before the first.

The network, its batches, threads, number format and optimizer are the recipe's; validation, a sample, a checkpoint and the report are made
once or twice, in a folder that is thrown away. What is too long for the time there is is cut to fewer rows or tokens, and scaled by its
arithmetic.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from groundup.device import give_back_freed_memory, peak_bytes, peak_flops_per_second, set_threads
from groundup.recipe.compose import compose
from groundup.recipe.data import Prepared
from groundup.recipe.expected_memory import rank_here
from groundup.recipe.measured import Measured
from groundup.recipe.private import privacy_of
from groundup.recipe.reference import Reference
from groundup.recipe.rehearsal import Rehearsal, timed
from groundup.recipe.rehearse_between import (
    checkpoint_bytes,
    read_validation,
    sample_token,
    save_and_read,
    write_sample,
)
from groundup.recipe.rehearse_steps import take_steps
from groundup.recipe.resume import open_run
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.run.directory import RunDirectory
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.memory import Load, Rank, training_memory
from groundup.training.schedules import with_steps
from groundup.training.step import prepare_machinery


def rehearse(
    settings: Recipe,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    load: Load,
    seconds: float = 15.0,
    opened: float = 0.0,
) -> Measured:
    """Take some steps of a recipe's training, and what comes between them, in about so many seconds.

    `load`: what the memory is worked out from where not all of it can be seen here. `opened`: seconds that it has taken
    already to open data and model. Nothing is kept.
    """
    begun = time.perf_counter()
    rank = rank_here(settings.training, files.model.config, sum(one.nbytes for one in files.model.parameters()))
    with tempfile.TemporaryDirectory(prefix="groundup-plan-") as folder:
        rehearsal = _prepare(settings, data, files, device, Path(folder) / "run", seconds, begun)
        opening = opened + time.perf_counter() - begun
        with rehearsal.machinery.shards:
            return _measure(rehearsal, load, rank, opening)


def _prepare(
    settings: Recipe, data: Prepared, files: ModelFiles, device: torch.device, path: Path, seconds: float, begun: float
) -> Rehearsal:
    """A run in `path` that is ready for its first step, as `train` makes one."""
    directory = RunDirectory(path)
    directory.path.mkdir()
    training = with_steps(settings.training, data.plan.num_rows)
    settings = replace(settings, training=training)
    set_threads(training.num_threads)
    peak = peak_flops_per_second(device, training.precision)
    privacy = privacy_of(training, data)
    open_run(settings, directory, Path(), data, files, device, peak, privacy, lambda line: None)
    files.model.to(device)
    composition = compose(settings, directory, data, files, peak, _reference(data, training.objective), privacy)
    machinery = prepare_machinery(composition.task)
    return Rehearsal(settings, data, files, composition, machinery, device, seconds, begun)


def _reference(data: Prepared, objective: str) -> Reference | None:
    """For pairs: numbers of the right shape, which cost a step the same as true ones."""
    if objective != "preference" or not isinstance(data, PreparedExamples):
        return None
    sides = (data.train, data.validation)
    train, validation = (np.zeros((len(side.lengths) // side.width, 2), np.float32) for side in sides)
    return Reference(train, validation, "")


def _measure(rehearsal: Rehearsal, load: Load, rank: Rank, opening: float) -> Measured:
    """Everything once, in the order that training does it."""
    task, device = rehearsal.task, rehearsal.device
    files_bytes = checkpoint_bytes(rehearsal)
    read_validation(rehearsal, 0.05)  # what training does first, and what is loaded by it
    warm_sample = write_sample(rehearsal, 2)
    give_back_freed_memory()
    steps = take_steps(rehearsal)
    report_first = timed(task.show)
    of_token, read_tokens = read_validation(rehearsal, min(0.25, 0.55 * rehearsal.left / rehearsal.seconds))
    sample = sample_token(rehearsal)
    give_back_freed_memory()
    report = timed(task.show)
    most = peak_bytes(device)
    cut = steps.cut or read_tokens < min(rehearsal.held_out, rehearsal.readers * rehearsal.batch_tokens)
    beyond = training_memory(load, rank).total if cut and device.type == "cpu" else 0  # what the whole would take
    checkpoint, finish = save_and_read(rehearsal, files_bytes)
    if rehearsal.files.lora is not None:
        most = max(most, peak_bytes(device))
    return Measured(
        opening=opening,
        step=steps.seconds,
        first_step=steps.first,
        evaluation_token=of_token,
        readers=rehearsal.readers,
        batch_tokens=rehearsal.batch_tokens,
        evaluation=report,
        sample_token=sample,
        checkpoint=checkpoint,
        finish=finish + report + report_first + warm_sample,
        flops=steps.flops,
        tokens=steps.tokens,
        peak_flops=rehearsal.machinery.peak_flops,
        peak_bytes=max(most, beyond),
        watts=steps.watts,
        cores_share=steps.cores_share,
        cut=cut,
        measuring=time.perf_counter() - rehearsal.begun,
    )

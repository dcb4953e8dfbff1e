"""What comes between a training's steps and after them: held-out text is read, a text is written, a checkpoint saved, verified, read again
and published."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from groundup.files import sha256_file
from groundup.model.counts import forward_flops
from groundup.recipe.measured import Reading
from groundup.recipe.rehearsal import SHARE_OF_PEAK, Rehearsal, timed
from groundup.run.checkpoints import is_optimizer_file, verify_checkpoint, write_checkpoint
from groundup.training.step import Machinery

MOST_CHECKPOINT = 400_000_000  # bytes that are written to see how long a checkpoint takes
SAMPLE_TOKENS = 12


def read(rehearsal: Rehearsal, wanted: int, share: float) -> tuple[Reading, int]:
    """Read so many held-out tokens, or as many as that share of the time allows, or as many as make every thread hold as much memory as it
    ever will: what that takes, and how many were read at once.

    Where there are more, as many are read once again, in memory that the first ones left.
    """
    config, window, evaluate = rehearsal.task.model.config, rehearsal.window, rehearsal.task.evaluate
    readers, at_once, seconds = rehearsal.readers, rehearsal.batch_tokens, share * rehearsal.seconds
    speed = SHARE_OF_PEAK * rehearsal.task.peak_flops / 2 / (forward_flops(config, window, window) / window)

    def seconds_a_token(num_tokens: int) -> float:
        assert isinstance(evaluate, partial)  # whose last argument says how many tokens
        return timed(partial(evaluate.func, *evaluate.args[:-1], num_tokens)) / min(num_tokens, at_once)

    rehearsal.task.model.eval()
    whole = min(wanted, readers * at_once)
    num_tokens = min(whole, max(window, int(seconds * speed)))
    first = further = seconds_a_token(num_tokens)
    if num_tokens == whole < wanted and first * at_once < seconds:
        further = seconds_a_token(min(wanted - whole, whole))
    return Reading(first, further, readers, at_once), num_tokens


def sample_token(rehearsal: Rehearsal) -> float:
    """Seconds that each further token of a text takes: of a few, and where these are quick, of as many as training writes."""
    begun = write_sample(rehearsal, 2)
    rough = max(1e-5, write_sample(rehearsal, 2 + SAMPLE_TOKENS) - begun) / SAMPLE_TOKENS
    wanted = max(SAMPLE_TOKENS, rehearsal.settings.training.sample_tokens)
    more = min(wanted, int(0.06 * rehearsal.seconds / rough))
    if more <= 2 * SAMPLE_TOKENS:
        return rough
    return max(1e-5, write_sample(rehearsal, 2 + more) - begun) / more


def write_sample(rehearsal: Rehearsal, tokens: int) -> float:
    """Seconds to write a text of so many tokens."""
    sampling = replace(rehearsal.settings.generation, max_new_tokens=tokens, num_samples=1, stop=())
    rehearsal.task.model.eval()
    return timed(partial(rehearsal.composition.write, sampling))


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was written, of a large network without the optimizer's tensors."""

    path: Path
    seconds: float
    """To write all of it."""
    factor: float
    """How many times as large all of it is."""


def save(rehearsal: Rehearsal, machinery: Machinery) -> Saved:
    """Write a checkpoint, of a large network from the model alone."""
    run, optimizer = rehearsal.task.run.path, machinery.optimizer.state_tensors()
    trained = sum(parameter.nbytes for parameter in machinery.parameters)
    num_bytes, factor = trained + sum(tensor.nbytes for tensor in optimizer.values()), 1.0
    if num_bytes > MOST_CHECKPOINT:
        optimizer, factor = {}, num_bytes / trained
    start = time.perf_counter()
    written = write_checkpoint(run, 1, {"loss": 0.0}, optimizer, num_bytes, rehearsal.task.save_model)
    return Saved(written, factor * (time.perf_counter() - start), factor)


def read_back(rehearsal: Rehearsal, saved: Saved) -> float:
    """Seconds to verify a checkpoint and to take over its weights."""
    verified = timed(partial(verify_checkpoint, saved.path))
    return saved.factor * verified + timed(partial(rehearsal.files.load, saved.path))


def publish(rehearsal: Rehearsal, saved: Saved) -> float:
    """Seconds to make `model/` of a checkpoint."""
    start, run, whole = time.perf_counter(), rehearsal.task.run.path, saved.path
    if rehearsal.files.lora is not None:
        whole = run / "whole"
        rehearsal.files.save_whole(whole)
    for file in sorted(whole.iterdir()):
        if not is_optimizer_file(file.name):
            shutil.copyfile(file, run / "copy")
            sha256_file(run / "copy")
    return time.perf_counter() - start

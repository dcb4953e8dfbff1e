"""What comes between a training's steps: validation is read, a text is written, a checkpoint saved, verified and read again."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from functools import partial
from typing import Any

from groundup.files import sha256_file
from groundup.model.counts import forward_flops
from groundup.recipe.measured import busiest_reads
from groundup.recipe.rehearsal import SHARE_OF_PEAK, Rehearsal, timed
from groundup.run.checkpoints import verify_checkpoint, write_checkpoint

MOST_CHECKPOINT = 400_000_000  # bytes that are written to see how long a checkpoint takes
SAMPLE_TOKENS = 12


def read_validation(rehearsal: Rehearsal, share: float) -> tuple[float, int]:
    """Seconds that one thread takes for a token of an evaluation, and how many tokens were read: as many as that share of the time allows,
    or as many as make every thread hold as much memory as it ever will."""
    config, window, every = rehearsal.task.model.config, rehearsal.window, rehearsal.held_out
    readers, at_once = rehearsal.readers, rehearsal.batch_tokens
    wanted = min(every, max(rehearsal.settings.evaluation.max_tokens or every, 2 * readers * at_once))
    speed = SHARE_OF_PEAK * rehearsal.machinery.peak_flops / 2 / (forward_flops(config, window, window) / window)
    num_tokens = min(wanted, max(window, int(share * rehearsal.seconds * speed)))
    rehearsal.task.model.eval()
    with rehearsal.machinery.shards.at_rest():
        evaluate: partial[dict[str, Any]] = rehearsal.task.evaluate  # type: ignore[assignment]
        spent = timed(partial(evaluate.func, *evaluate.args[:-1], num_tokens))
    return spent / busiest_reads(num_tokens, readers, at_once), num_tokens


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
    with rehearsal.machinery.shards.at_rest():
        return timed(partial(rehearsal.composition.write, sampling))


def checkpoint_bytes(rehearsal: Rehearsal) -> int:
    """Of what is trained and of the optimizer's tensors."""
    machinery = rehearsal.machinery
    state = machinery.optimizer.state_tensors().values()
    return sum(tensor.nbytes for tensor in state) + sum(p.nbytes for p in machinery.parameters)


def save_and_read(rehearsal: Rehearsal, num_bytes: int) -> tuple[float, float]:
    """Seconds to write a checkpoint of so many bytes, of a large one from the model alone; and to verify and read it, and to make `model/`
    of it."""
    task, machinery = rehearsal.task, rehearsal.machinery
    small = num_bytes <= MOST_CHECKPOINT
    optimizer = machinery.optimizer.state_tensors() if small else {}
    start = time.perf_counter()
    written = write_checkpoint(task.run.path, 1, {"loss": 0.0}, optimizer, num_bytes, task.save_model)
    middle = time.perf_counter()
    verify_checkpoint(written)
    verified = time.perf_counter()
    whole = written
    if rehearsal.files.lora is not None:
        whole = task.run.path / "whole"
        rehearsal.files.save_whole(whole)
    else:
        rehearsal.files.load(written)
    for file in sorted(whole.iterdir()):
        shutil.copyfile(file, task.run.path / "copy")
        sha256_file(task.run.path / "copy")
    end = time.perf_counter()
    factor = 1.0 if small else num_bytes / sum(p.nbytes for p in machinery.parameters)
    return (middle - start) * factor, (verified - middle) * factor + end - verified

"""What a training writes, and reads back: a checkpoint is saved, verified, read again and published; of a large network, a part of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from groundup.files import sha256_file
from groundup.model.lora import merged_state
from groundup.model.weights import StoredTensors
from groundup.recipe.rehearsal import Rehearsal, timed
from groundup.recipe.save import ModelFiles
from groundup.run.checkpoints import is_optimizer_file, verify_checkpoint, write_checkpoint
from groundup.training.step import Machinery

MOST_BYTES = 400_000_000  # of tensors that are written to see how long a checkpoint takes, or a whole model


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was written; of a large network, some of its weights alone."""

    path: Path
    seconds: float
    """To write all of it."""
    factor: float
    """How many times as large all of it is."""
    share: float
    """Of the weights, how many are in it; of adapters always all."""


def save(rehearsal: Rehearsal, machinery: Machinery) -> Saved:
    """Write a checkpoint."""
    run, files, optimizer = rehearsal.task.run.path, rehearsal.files, machinery.optimizer.state_tensors()
    trained = sum(parameter.nbytes for parameter in machinery.parameters)
    num_bytes, share, factor, write = trained + _num_bytes(optimizer), 1.0, 1.0, rehearsal.task.save_model
    if num_bytes > MOST_BYTES:
        if files.lora is None:
            some, share = _some(files.model.state_dict())
            write = partial(_write_some, files, some)
        optimizer, factor = {}, num_bytes / (share * trained)
    start = time.perf_counter()
    path = write_checkpoint(run, 1, {"loss": 0.0}, optimizer, num_bytes, write)
    return Saved(path, factor * (time.perf_counter() - start), factor, share)


def read_back(rehearsal: Rehearsal, saved: Saved) -> float:
    """Seconds to verify a checkpoint and to take over its weights."""
    verified = saved.factor * timed(partial(verify_checkpoint, saved.path))
    if saved.share == 1:
        return verified + timed(partial(rehearsal.files.load, saved.path))
    return verified + timed(partial(_read_some, saved.path)) / saved.share


def publish(rehearsal: Rehearsal, saved: Saved) -> float:
    """Seconds to make `model/` of a checkpoint."""
    files, run, whole, share = rehearsal.files, rehearsal.task.run.path, saved.path, saved.share
    merged = written = 0.0
    if files.lora is not None:
        start, whole = time.perf_counter(), run / "whole"
        some, share = _some(merged_state(files.model))
        merged = time.perf_counter() - start
        whole.mkdir()
        written = timed(partial(_write_some, files, some, whole))
    return merged + (written + timed(partial(_copy, whole, run / "copy"))) / share


def _copy(whole: Path, copy: Path) -> None:
    """Each of a checkpoint's files that a model has, hashed."""
    for file in sorted(whole.iterdir()):
        if not is_optimizer_file(file.name):
            shutil.copyfile(file, copy)
            sha256_file(copy)


def _num_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Of tensors, each place in memory once."""
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors.values()}.values())


def _some(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], float]:
    """The first weights, as many as are written here, and which share of all they are."""
    some: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if some and _num_bytes(some) + tensor.nbytes > MOST_BYTES:
            break
        some[name] = tensor
    return some, _num_bytes(some) / _num_bytes(weights)


def _write_some(files: ModelFiles, some: Mapping[str, Tensor], directory: Path) -> None:
    """As a model's directory is written in parts, of which there is one."""
    files.save_part(directory, some, 0, 1)
    files.save_part(directory, {}, 1, 1)


def _read_some(directory: Path) -> None:
    """Read weights as a checkpoint's are: into a network of their own, and once more, from there into the one in training."""
    stored = StoredTensors(sorted(directory.glob("model-*.safetensors")))
    network = {name: stored[name].clone() for name in stored}
    for name, tensor in network.items():
        tensor.copy_(stored[name])

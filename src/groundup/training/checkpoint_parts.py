"""Checkpoints of which each process writes a part, and the optimizer's state out of one file or many, for any number of processes.

A part holds whole tensors, some of all: so whoever reads them, one process or another number of them, takes the rows that it needs, and
the model's parts with their index are an ordinary Hugging Face directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from groundup.model.write_tensors import write_tensors
from groundup.run.checkpoints import (
    OPTIMIZER_PARTS,
    checkpoint_path,
    optimizer_files,
    temporary_checkpoint,
)
from groundup.run.files import explain_os_errors
from groundup.training.step import Machinery
from groundup.training.task import Task


def write_parts(task: Task, machinery: Machinery, step: int, directory: Path | None = None) -> None:
    """Write this process's part of a checkpoint into the folder that the first one has made. All processes must call it; it returns when
    all parts are there, with an index and whatever stands beside them."""
    sharded, ranks = machinery.sharded, task.ranks
    assert sharded is not None
    directory = directory or temporary_checkpoint(task.run.path, step)
    ranks.wait()
    optimizer = _own_part(task, machinery, machinery.optimizer.state_tensors())
    weights = {} if task.save_part is None else _own_part(task, machinery, sharded.rows)
    if task.save_part is None:  # adapters, which are small
        sharded.gather()
    with explain_os_errors(checkpoint_path(task.run.path, step)):
        file = OPTIMIZER_PARTS.format(part=ranks.rank + 1, parts=ranks.size)
        write_tensors(directory / file, optimizer)
        if task.save_part is not None:
            task.save_part(directory, weights, ranks.rank, ranks.size)
        ranks.wait()
        if ranks.first and task.save_part is not None:
            task.save_part(directory, {}, ranks.size, ranks.size)
        elif ranks.first:
            task.save_model(directory)


def _own_part(task: Task, machinery: Machinery, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The whole tensors that this process writes: every so-manieth."""
    assert machinery.sharded is not None
    return {
        name: tensor.detach().cpu().clone()
        for place, (name, tensor) in enumerate(machinery.sharded.everything(rows))
        if place % task.ranks.size == task.ranks.rank
    }


def load_optimizer(task: Task, machinery: Machinery, checkpoint: Path) -> None:
    """Take over the optimizer's state, or this process's rows of it. Raises `CheckpointError` where it is that of another training."""
    state: dict[str, Tensor] = {}
    for file in optimizer_files(checkpoint):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  # it is no mapping
                whole = opened.get_tensor(name)
                state[name] = whole if machinery.sharded is None else task.ranks.rows_of(whole).clone()
    machinery.optimizer.load_state_tensors(state)

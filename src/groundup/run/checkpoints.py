"""Checkpoints: whole or not there. Each is a Hugging Face directory with the optimizer's state and state.json beside it.

A checkpoint is written under a temporary name, hashed file by file into state.json, made durable, and then renamed; whatever
happens at any moment, a directory called step-NNNNNN is complete, and a bit that flips later is found when it is read.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.errors import CheckpointError, RunError
from groundup.files import sha256_file
from groundup.run.files import (
    checksum,
    explain_os_errors,
    publish_directory,
    read_json,
    remove_directory,
    require_space,
    write_json,
)

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
OPTIMIZER_FILE = "optimizer.safetensors"
OPTIMIZER_PARTS = "optimizer-{part:05d}-of-{parts:05d}.safetensors"
"""In its place where several processes wrote a part each."""
STATE_FILE = "state.json"


def is_optimizer_file(name: str) -> bool:
    """Whether a checkpoint's file is the optimizer's state, or a part of it."""
    return re.fullmatch(r"optimizer(-\d{5,}-of-\d{5,})?\.safetensors", name) is not None


def optimizer_files(checkpoint: Path) -> list[Path]:
    """The files that the optimizer's state is in."""
    return sorted(path for path in checkpoint.iterdir() if is_optimizer_file(path.name))


def temporary_checkpoint(run: Path, step: int) -> Path:
    """Where a checkpoint is written until it is whole."""
    final = checkpoint_path(run, step)
    return final.with_name(f".writing-{final.name}")


def checkpoint_path(run: Path, step: int) -> Path:
    """Where a step's checkpoint stands."""
    return run / "checkpoints" / f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Path]:
    """The run's checkpoints, oldest first (complete by name; not yet verified)."""
    folder = run / "checkpoints"
    found = [path for path in folder.iterdir() if re.fullmatch(r"step-\d{6,}", path.name)] if folder.is_dir() else []
    return sorted(found, key=step_of)


def sweep(run: Path) -> None:
    """Delete what a killed process left half written or half deleted."""
    for pattern in (".writing-*", ".removed-*"):
        for left in (*run.glob(pattern), *(run / "checkpoints").glob(pattern)):
            shutil.rmtree(left, ignore_errors=True)


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint was written at."""
    return int(checkpoint.name.removeprefix("step-"))


def write_checkpoint(
    run: Path,
    step: int,
    state: Mapping[str, Any],
    optimizer: Mapping[str, Tensor],
    num_bytes: int,
    write_model: Callable[[Path], None],
) -> Path:
    """Write one checkpoint. `write_model` fills a directory with the model's and the tokenizer's files, and with the optimizer's where
    none is given here.

    `num_bytes` is about what it will take. Raises `MachineError` when the disk is full; nothing half-written stays, and
    earlier checkpoints are not touched.
    """
    from groundup.model.write_tensors import write_tensors

    final = checkpoint_path(run, step)
    temporary = temporary_checkpoint(run, step)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with explain_os_errors(final):
            require_space(run, num_bytes)
            final.parent.mkdir(exist_ok=True)  # not the run's folder: where that is gone, none is to begin in its place
            temporary.mkdir()
            write_model(temporary)
            if optimizer:
                write_tensors(temporary / OPTIMIZER_FILE, optimizer)
            files = {file.name: sha256_file(file) for file in sorted(temporary.iterdir())}
        complete = {"format_version": FORMAT_VERSION, **state, "step": step, "files": files}
        write_json(temporary / STATE_FILE, {**complete, "checksum": checksum(complete)})
        with explain_os_errors(final):
            publish_directory(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def read_state(checkpoint: Path) -> dict[str, Any]:
    """What state.json holds, checked against its own checksum."""
    try:
        state = read_json(checkpoint / STATE_FILE)
    except RunError as error:
        raise CheckpointError(f"{checkpoint / STATE_FILE} is missing or damaged") from error
    version = state.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{checkpoint} has format version {version!r}; this version of Groundup reads {FORMAT_VERSION}"
        )
    written = state.pop("checksum", None)
    if written != checksum(state):
        raise CheckpointError(f"{checkpoint / STATE_FILE} is damaged: its checksum does not match")
    return state


def verify_checkpoint(
    checkpoint: Path, state_hash: str | None = None, fingerprint: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Its state, once every file has been found with the hash it was written with. Raises `CheckpointError` naming the file.

    `state_hash`: the SHA-256 of state.json as the manifest has it, if it has it. `fingerprint`: the hashes of recipe,
    tokenizer and data that the checkpoint must have been made with.
    """
    state = read_state(checkpoint)
    for name, value in (fingerprint or {}).items():
        if state.get(name) != value:
            raise CheckpointError(f"{checkpoint} was made with another {name}, so it is no checkpoint of this run")
    if state_hash is not None and sha256_file(checkpoint / STATE_FILE) != state_hash:
        raise CheckpointError(f"{checkpoint / STATE_FILE} is not the one that the manifest names")
    if state["step"] != step_of(checkpoint):
        raise CheckpointError(f"{checkpoint} holds step {state['step']}, not the one that its name says")
    for name, expected in state["files"].items():
        file = checkpoint / name
        if not file.is_file():
            raise CheckpointError(f"{file} is missing")
        if sha256_file(file) != expected:
            raise CheckpointError(f"{file} is damaged: its SHA-256 is not the one it was written with")
    return state


def set_aside(checkpoint: Path) -> Path:
    """Rename a damaged checkpoint so that nothing takes it for whole, and nothing of it is lost."""
    aside = checkpoint.with_name(f"damaged-{checkpoint.name}")
    shutil.rmtree(aside, ignore_errors=True)
    with explain_os_errors(aside):
        shutil.move(checkpoint, aside)  # of a container's image, which can't rename it, a copy
    return aside


def prune_checkpoints(run: Path, keep: int, best_step: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    for checkpoint in list_checkpoints(run)[:-keep]:
        if step_of(checkpoint) != best_step:
            with explain_os_errors(checkpoint):
                remove_directory(checkpoint)

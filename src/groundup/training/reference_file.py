"""What the reference thought of each answer, kept with the run: a resumed one reads the very numbers it began with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from groundup.errors import CheckpointError
from groundup.files import replacing, sha256_file
from groundup.run.files import explain_os_errors


def save_reference(path: Path, tables: Mapping[str, NDArray[np.float32]]) -> str:
    """Write tables (P, 2) of log-probabilities, by name, as a safetensors file; its hash. It is whole or not there."""
    with explain_os_errors(path), replacing(path) as file:
        file.write(save({name: np.ascontiguousarray(table) for name, table in tables.items()}))
    return sha256_file(path)


def load_reference(path: Path, sha256: str) -> dict[str, NDArray[np.float32]]:
    """The tables of a file whose hash is known. Raises `CheckpointError` if it is missing or not what was written."""
    advice = "the reference's log-probabilities are needed to go on; restore the file from a copy, or begin another run"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): {advice}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(f"{path} is damaged or was changed (its hash does not match): {advice}")
    tables: dict[str, NDArray[np.float32]] = load(content)
    return tables

"""The reference's log-probabilities on the disk: the same bits, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundup.errors import CheckpointError, MachineError
from groundup.training.reference_file import load_reference, save_reference

TABLES = {
    name: np.random.default_rng(size).normal(-20, 5, (size, 2)).astype(np.float32)
    for name, size in (("train", 9), ("validation", 2))
}


def test_what_is_read_is_what_was_written_and_the_same_numbers_have_the_same_hash(tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    sha256 = save_reference(path, TABLES)
    found = load_reference(path, sha256)
    assert found.keys() == TABLES.keys()
    for name, table in TABLES.items():
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], table)
    assert save_reference(path, dict(reversed(TABLES.items()))) == sha256
    assert [file.name for file in tmp_path.iterdir()] == ["reference.safetensors"]


def test_a_bit_that_flipped_and_a_file_that_is_gone_are_named(tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    sha256 = save_reference(path, TABLES)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"reference\.safetensors is damaged or was changed .*: the reference's"):
        load_reference(path, sha256)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read \(No such file or directory\): .* restore the file"):
        load_reference(path, sha256)


def test_a_folder_that_cannot_be_written_is_a_matter_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"reference\.safetensors"):
        save_reference(tmp_path / "missing" / "reference.safetensors", TABLES)

"""Checkpoints are whole or not there, and what is damaged later is named."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from groundup.errors import CheckpointError, MachineError
from groundup.files import sha256_file
from groundup.run.checkpoints import (
    checkpoint_path,
    list_checkpoints,
    prune_checkpoints,
    read_state,
    set_aside,
    verify_checkpoint,
    write_checkpoint,
)
from groundup.run.files import require_space

OPTIMIZER = {"weight.exp_avg": torch.arange(6.0)}


def write(run: Path, step: int) -> Path:
    def model(directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(bytes(range(100)))
        (directory / "config.json").write_text("{}")

    return write_checkpoint(run, step, {"progress": {"step": step, "best_loss": 0.1}}, OPTIMIZER, 1000, model)


def test_what_is_written_is_read_back_and_every_file_is_hashed(tmp_path: Path) -> None:
    checkpoint = write(tmp_path, 500)
    assert checkpoint.name == "step-000500"
    state = verify_checkpoint(checkpoint)
    assert state["progress"] == {"step": 500, "best_loss": 0.1}
    on_disk = {file.name for file in checkpoint.iterdir()}
    assert on_disk == {*state["files"], "state.json"}
    assert not list((tmp_path / "checkpoints").glob(".*")), "no temporary name is left"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "optimizer.safetensors", "state.json"])
def test_one_flipped_bit_anywhere_is_found_and_the_file_named(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, 1) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        verify_checkpoint(file.parent)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_missing_or_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, 1) / name
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=name):
        verify_checkpoint(file.parent)
    file.unlink()
    with pytest.raises(CheckpointError, match=rf"{name} is missing"):
        verify_checkpoint(file.parent)


def test_every_bit_of_the_state_counts(tmp_path: Path) -> None:
    checkpoint = write(tmp_path, 1)
    state = json.loads((checkpoint / "state.json").read_text())
    state["progress"]["best_loss"] = 0.2
    (checkpoint / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match=r"state\.json is damaged: its checksum does not match"):
        read_state(checkpoint)


def test_a_state_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    checkpoint = write(tmp_path, 1)
    verify_checkpoint(checkpoint, sha256_file(checkpoint / "state.json"))
    with pytest.raises(CheckpointError, match="not the one that the manifest names"):
        verify_checkpoint(checkpoint, "0" * 64)


def test_another_format_version_is_named(tmp_path: Path) -> None:
    checkpoint = write(tmp_path, 1)
    state = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps({**state, "format_version": 99}))
    with pytest.raises(CheckpointError, match="format version 99; this version of Groundup reads 1"):
        read_state(checkpoint)


def test_a_failed_write_leaves_nothing_and_touches_nothing(tmp_path: Path) -> None:
    write(tmp_path, 1)

    def fail(directory: Path) -> None:
        (directory / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(
        MachineError, match=r"step-000002 cannot be written \(No space left on device\).*what was saved before is whole"
    ):
        write_checkpoint(tmp_path, 2, {}, OPTIMIZER, 1000, fail)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
    verify_checkpoint(checkpoint_path(tmp_path, 1))


FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from groundup.errors import MachineError
from groundup.run.checkpoints import write_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    write_checkpoint(Path(sys.argv[1]), 2, {}, {"x": torch.zeros(1_000_000)}, 0, lambda directory: None)
except MachineError as error:
    print(error)
"""


def test_the_system_refusing_bytes_in_the_middle_is_one_sentence(tmp_path: Path) -> None:
    """A file-size limit makes the kernel refuse a write half-way, as a full disk does, without needing one."""
    assert resource.RLIMIT_FSIZE
    write(tmp_path, 1)
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "step-000002 cannot be written" in done.stdout, done.stderr
    assert "what was saved before is whole" in done.stdout
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]


def test_too_little_room_is_said_before_a_byte_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        MachineError, match=r"has [\d,.]+ MB free, and the next checkpoint needs 1,000,000,000,001\.0 MB"
    ):
        require_space(tmp_path, 10**18)


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step in (100, 200, 300, 400, 1_000_000):
        write(tmp_path, step)
    prune_checkpoints(tmp_path, keep=2, best_step=200)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000200", "step-000400", "step-1000000"]


def test_a_damaged_checkpoint_set_aside_is_no_longer_listed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    aside = set_aside(write(tmp_path, 2))
    assert aside.name == "damaged-step-000002"
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000001"]


def test_writing_a_step_again_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, 1)
    verify_checkpoint(write(tmp_path, 1))
    assert len(list_checkpoints(tmp_path)) == 1


def test_a_renamed_checkpoint_is_not_taken_for_another_step(tmp_path: Path) -> None:
    renamed = write(tmp_path, 1).rename(checkpoint_path(tmp_path, 5))
    with pytest.raises(CheckpointError, match="holds step 1, not the one that its name says"):
        verify_checkpoint(renamed)


def test_where_the_runs_folder_is_gone_no_checkpoint_begins_another(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"step-000001 cannot be written \(No such file or directory\)"):
        write(tmp_path / "moved-away", 1)
    assert not list(tmp_path.iterdir())

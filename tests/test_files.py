"""Writing a file whole, or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from groundup.files import fsync_directory, replacing, sha256_file


def test_a_disk_that_takes_no_more_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: its error, too, names no file by itself."""
    path = tmp_path / "figures.json"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write_too_much() -> None:
        with replacing(path) as file:
            file.write(bytes(1000))

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_too_much()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]


def test_names_are_made_durable_where_the_file_system_does_that(tmp_path: Path) -> None:
    fsync_directory(tmp_path)
    fsync_directory(Path("/proc"))  # which knows no such request, like some folders over a network
    with pytest.raises(FileNotFoundError):
        fsync_directory(tmp_path / "gone")


def test_a_file_that_cannot_be_read_to_its_end_is_named() -> None:
    """The memory of this process, from address 0 on, is a file that opens and can't be read, as one on a bad sector."""
    with pytest.raises(OSError, match="Input/output error") as caught:
        sha256_file(Path("/proc/self/mem"))
    assert caught.value.filename == "/proc/self/mem"

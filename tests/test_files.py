"""Writing a file whole, or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from groundup.files import replacing


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

"""Our writer of safetensors files, held against the library's."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from groundup.model.write_tensors import DTYPES, write_tensors


def test_the_bytes_are_those_of_the_library(tmp_path: Path) -> None:
    tensors = {
        f"ü.{name}": torch.arange(6).reshape(2, 3).to(dtype)
        for dtype, name in sorted(DTYPES.items(), key=lambda one: one[1])
    }
    tensors |= {"b": torch.tensor(1.5), "a": torch.zeros(0, 4), "turned": torch.rand(3, 5).T}
    path = tmp_path / "some.safetensors"
    write_tensors(path, tensors, {"format": "pt"})
    assert path.read_bytes() == save({name: tensor.contiguous() for name, tensor in tensors.items()}, {"format": "pt"})
    read = load_file(path)
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_who_may_read_it_is_for_the_umask_to_say(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "some.safetensors", {"a": torch.zeros(2)})
    finally:
        os.umask(before)
    assert stat.filemode((tmp_path / "some.safetensors").stat().st_mode) == "-rw-r-----"


def test_a_disk_that_takes_no_more_leaves_nothing_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_tensors(path, {"a": torch.zeros(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())

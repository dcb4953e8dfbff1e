"""Cores and memory that this process may take, where a control group allows less than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from groundup import cores
from groundup.cores import limits_of_groups, memory_bytes


def group(folder: Path, name: str, said: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(said + "\n", encoding="ascii")


@pytest.mark.parametrize(("version", "name"), [("0::", "memory.max"), ("4:memory:", "memory.limit_in_bytes")])
def test_its_own_group_and_those_around_it_count(version: str, name: str, tmp_path: Path) -> None:
    """As a scheduler nests them: a job's limit holds for its steps, which have none of their own."""
    root = tmp_path / "mounted" / ("memory" if "memory:" in version else "")
    group(root / "jobs" / "job-7", name, "8000000000")
    group(root / "jobs" / "job-7" / "step-0", name, "max")
    group(root / "jobs" / "job-8", name, "5")
    own = tmp_path / "own"
    own.write_text(f"9:cpu:/elsewhere\n{version}/jobs/job-7/step-0\n", encoding="ascii")
    assert limits_of_groups(tmp_path / "mounted", own) == [8_000_000_000]


def test_in_a_container_its_group_is_the_root_whatever_its_path_outside(tmp_path: Path) -> None:
    group(tmp_path / "mounted", "memory.max", "4000000000")
    own = tmp_path / "own"
    own.write_text("0::/docker/0123456789ab\n", encoding="ascii")
    assert limits_of_groups(tmp_path / "mounted", own) == [4_000_000_000]


def test_without_groups_it_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits_of_groups(tmp_path, tmp_path / "none") == []
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(cores, "OWN_GROUPS", tmp_path / "none")
    assert memory_bytes() == whole
    own = tmp_path / "own"
    own.write_text("0::/\n", encoding="ascii")
    monkeypatch.setattr(cores, "OWN_GROUPS", own)
    monkeypatch.setattr(cores, "CONTROL_GROUPS", tmp_path)
    group(tmp_path, "memory.max", "123456789")
    assert memory_bytes() == 123456789

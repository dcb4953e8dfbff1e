"""The short form of `python -m tests.system.faults`: a few of each fault, the same ones each time (by itself it tries others), and what
must hold after each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.system.faults.__main__ import IN_SHORT, table
from tests.system.faults.ground import ROOT


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("faults") / "summary.json"
    command = [sys.executable, "-m", "tests.system.faults", "--short", "--seed", "7", "--json", str(file)]
    path = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(os.pathsep)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=280,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert file.is_file(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    return {**found, "said": done.stdout + done.stderr}


@pytest.mark.parametrize("fault", IN_SHORT)
def test_after_a_fault_nothing_is_lost_and_all_is_named(fault: str, summaries: dict[str, Any]) -> None:
    summary = summaries.get(fault)
    assert summary is not None, summaries["said"]
    assert summary["failures"] == [], summaries["said"].splitlines()[0]  # the seed
    if summary["skipped"]:
        pytest.skip(summary["skipped"])
    assert summary["times"] > 0


def test_the_page_shows_the_long_run() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert table(ROOT / "benchmarks" / "results" / "faults.json") in page

"""kill -9 at a random moment, twice in one run, and the bits are those of the uninterrupted run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records

GROUNDUP = [sys.executable, "-m", "groundup"]
TIMED = {"tokens_per_second", "mfu", "seconds"}
OVERRIDES = [
    "training.max_steps=120",
    "training.save_steps=25",
    "training.eval_steps=50",
    "training.keep_checkpoints=2",
    "training.num_threads=2",
]


def start(recipe: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    command = [*GROUNDUP, "train", str(recipe), *OVERRIDES, "--run", str(run), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int, resumed: int) -> None:
    """Until the process that is the run's `resumed`-th to go on (0: to begin) has reached a step, not one before it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        reached = any(record["step"] >= step for record in read_records(run / "metrics.jsonl"))
        if reached and times_resumed(run) == resumed:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached: {process.communicate()[1]}")


def facts(run: Path) -> list[dict[str, object]]:
    records = read_records(run / "metrics.jsonl")
    return [{key: value for key, value in record.items() if key not in TIMED} for record in records]


@pytest.fixture(scope="module")
def whole(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    process = start(tiny_recipe, run)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return run


def assert_same(run: Path, whole: Path) -> None:
    ours, theirs = list_checkpoints(run)[-1], list_checkpoints(whole)[-1]
    assert ours.name == theirs.name
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    assert facts(run) == facts(whole)
    assert read_records(run / "samples.jsonl") == read_records(whole / "samples.jsonl")
    ours_result, theirs_result = (json.loads((folder / "result.json").read_text()) for folder in (run, whole))
    timed = {
        "seconds": 0,
        "joules": 0,
        **dict.fromkeys(("checksum", "manifest", "checkpoint", "records"), ""),
    }  # each names a time
    assert {**ours_result, **timed} == {**theirs_result, **timed}


def test_killed_and_stopped_again_and_again_it_ends_with_the_same_bits(
    whole: Path, tiny_recipe: Path, tmp_path: Path
) -> None:
    """Twice kill -9, at random moments; then SIGTERM, then Ctrl-C; then to the end: all in one run."""
    run, moment = tmp_path / "run", random.Random()
    process = start(tiny_recipe, run)
    for resumed, step in enumerate(sorted(moment.sample(range(10, 70), 2))):
        wait_for_step(process, run, step, resumed)
        time.sleep(moment.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was still going"
        process = start(tiny_recipe, run, "--resume")
    for resumed, number, code in ((2, signal.SIGTERM, 143), (3, signal.SIGINT, 130)):
        wait_for_step(process, run, last_step(run) + 5, resumed)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code
        assert "stopped and saved in" in errors
        assert "--resume" in errors
        assert "Traceback" not in errors
        assert (run / "report.html").is_file()
        process = start(tiny_recipe, run, "--resume")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert_same(run, whole)
    assert times_resumed(run) == 4


def times_resumed(run: Path) -> int:
    return [record["event"] for record in read_records(run / "events.jsonl")].count("resumed")


def last_step(run: Path) -> int:
    step: int = max(record["step"] for record in read_records(run / "metrics.jsonl"))
    return step


def test_a_run_in_use_is_refused_in_one_sentence(tiny_recipe: Path, tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run").locked():
        _, errors = (second := start(tiny_recipe, tmp_path / "run", "--resume")).communicate(timeout=60)
    assert second.returncode == 1
    assert errors.startswith(f"groundup: {tmp_path / 'run'} is in use by process {os.getpid()}")
    assert errors.count("\n") == 1

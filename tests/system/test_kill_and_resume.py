"""kill -9 at a random moment, twice in one run, and the bits are those of the uninterrupted run."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from tests import forked

from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records

TIMED = {"tokens_per_second", "mfu", "seconds"}
OVERRIDES = [
    "training.max_steps=120",
    "training.save_steps=25",
    "training.eval_steps=50",
    "training.keep_checkpoints=2",
    "training.num_threads=2",
]


@dataclass
class Training:
    """`groundup train`, as it runs (tests/forked.py)."""

    process: ForkServerProcess
    errors: Path

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid or 0, number)

    def end(self) -> tuple[int | None, str]:
        """Its exit status, that of a signal being negative, and what it said."""
        self.process.join(240)
        return self.process.exitcode, self.errors.read_text(encoding="utf-8")


def start(recipe: Path, run: Path, *more: str) -> Training:
    arguments = ["train", recipe, *OVERRIDES, "--run", run, *more]
    output, errors = (run.with_name(f"{run.name}.{stream}") for stream in ("output", "errors"))
    return Training(forked.start(arguments, (None, output, errors), {**os.environ, "OMP_NUM_THREADS": "1"}), errors)


def wait_for_step(training: Training, run: Path, step: int, resumed: int) -> None:
    """Until the process that is the run's `resumed`-th to go on (0: to begin) has reached a step, not one before it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and training.process.is_alive():
        reached = any(record["step"] >= step for record in read_records(run / "metrics.jsonl"))
        if reached and times_resumed(run) == resumed:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached: {training.end()[1]}")


def facts(run: Path) -> list[dict[str, object]]:
    records = read_records(run / "metrics.jsonl")
    return [{key: value for key, value in record.items() if key not in TIMED} for record in records]


@pytest.fixture(scope="module")
def whole(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert start(tiny_recipe, run).end()[0] == 0
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
    training = start(tiny_recipe, run)
    for resumed, step in enumerate(sorted(moment.sample(range(10, 70), 2))):
        wait_for_step(training, run, step, resumed)
        time.sleep(moment.random() * 0.05)
        training.signal(signal.SIGKILL)
        assert training.end()[0] == -signal.SIGKILL, "it was still going"
        training = start(tiny_recipe, run, "--resume")
    for resumed, number, code in ((2, signal.SIGTERM, 143), (3, signal.SIGINT, 130)):
        wait_for_step(training, run, last_step(run) + 5, resumed)
        training.signal(number)
        status, errors = training.end()
        assert status == code
        assert "stopped and saved in" in errors
        assert "--resume" in errors
        assert "Traceback" not in errors
        assert (run / "report.html").is_file()
        training = start(tiny_recipe, run, "--resume")
    assert training.end()[0] == 0
    assert_same(run, whole)
    assert times_resumed(run) == 4


def times_resumed(run: Path) -> int:
    return [record["event"] for record in read_records(run / "events.jsonl")].count("resumed")


def last_step(run: Path) -> int:
    step: int = max(record["step"] for record in read_records(run / "metrics.jsonl"))
    return step


def test_a_run_in_use_is_refused_in_one_sentence(tiny_recipe: Path, tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run").locked():
        status, errors = start(tiny_recipe, tmp_path / "run", "--resume").end()
    assert status == 1
    assert errors.startswith(f"groundup: {tmp_path / 'run'} is in use by process {os.getpid()}")
    assert errors.count("\n") == 1

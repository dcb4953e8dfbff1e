"""What the launcher says when one of its processes fails. What it does with them: tests/system/test_distributed.py."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from groundup.training.launch import record_failure, what_was_said, why_it_failed
from groundup.training.parallel_settings import LAUNCHED


def failed(folder: Path, rank: int, exitcode: int, sentence: str = "", timestamp: int = 0) -> ProcessFailure:
    """What torchrun's launcher makes of an ended process, and of the file it may have left."""
    file = folder / f"{rank}.json"
    if sentence:
        file.write_text(json.dumps({"message": sentence, "timestamp": timestamp}), encoding="utf-8")
    return ProcessFailure(local_rank=rank, pid=100 + rank, exitcode=exitcode, error_file=str(file))


def test_the_first_that_said_something_is_believed(tmp_path: Path) -> None:
    failures = {0: failed(tmp_path, 0, 1, "the disk is full", 12), 1: failed(tmp_path, 1, 1, "no room", 11)}
    assert why_it_failed({2: failed(tmp_path, 2, -signal.SIGKILL), **failures}, 3) == "no room"


def test_a_signal_that_the_launcher_did_not_send_explains_the_end(tmp_path: Path) -> None:
    failures = {0: failed(tmp_path, 0, -signal.SIGTERM), 1: failed(tmp_path, 1, -signal.SIGKILL)}
    expected = (
        "process 1 of 2 was ended by SIGKILL (the system does that when memory runs out); the others were ended; "
    )
    assert why_it_failed(failures, 2) == expected + "go on with --resume"
    crashed = {1: failed(tmp_path, 1, -signal.SIGSEGV)}
    assert why_it_failed(crashed, 2).startswith("process 1 of 2 was ended by SIGSEGV; the others")


def test_a_bare_status_is_told_for_want_of_anything_better(tmp_path: Path) -> None:
    assert why_it_failed({1: failed(tmp_path, 1, 3)}, 2).startswith("process 1 of 2 ended with status 3; the others")


def test_what_a_process_said_that_was_to_save_and_leave_is_told(tmp_path: Path) -> None:
    assert what_was_said(tmp_path) == ""
    for rank, second in ((0, 12), (1, 11)):
        (tmp_path / "attempt_0" / str(rank)).mkdir(parents=True)
        said = json.dumps({"message": f"the disk of {rank} is full", "timestamp": second})
        (tmp_path / "attempt_0" / str(rank) / "error.json").write_text(said, encoding="utf-8")
    assert what_was_said(tmp_path) == "the disk of 1 is full"


def test_a_process_of_ours_leaves_its_sentence_to_the_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "1.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    monkeypatch.delenv(LAUNCHED, raising=False)
    assert not record_failure("somebody's torchrun: this one prints it")
    monkeypatch.setenv(LAUNCHED, "1")
    assert record_failure("no room – here")
    failure = ProcessFailure(local_rank=1, pid=1, exitcode=1, error_file=str(file))
    assert why_it_failed({1: failure}, 2) == "no room – here"

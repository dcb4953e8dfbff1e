"""`groundup train` in several processes of one machine, killed, stopped and gone on with by others; then on two "hosts" of torchrun."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundup.errors import RunError
from groundup.recipe.replay import replay
from groundup.recipe.train import train
from groundup.recipe.verify import verify
from groundup.run.checkpoints import list_checkpoints, read_state
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records

OVERRIDES = [
    "training.precision=fp32",
    "training.max_steps=60",
    "training.save_steps=8",
    "training.eval_steps=20",
    "model.dropout=0.0",
]
DDP, FSDP = "parallel.strategy=ddp", "parallel.strategy=fsdp"


def start(command: list[str], recipe: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    arguments = ["train", str(recipe), *OVERRIDES, "--run", str(run), *more]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=run.parent,
        preexec_fn=nohup,
    )


def nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def here(recipe: Path, run: Path, processes: int, *more: str) -> subprocess.Popen[str]:
    return start([sys.executable, "-P", "-m", "groundup"], recipe, run, DDP, f"parallel.processes={processes}", *more)


def last_step(run: Path) -> int:
    return max((record["step"] for record in read_records(run / "metrics.jsonl")), default=0)


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int, resumed: int = 0) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        events = [record["event"] for record in read_records(run / "events.jsonl")]
        if last_step(run) >= step and events.count("resumed") == resumed:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached: {process.communicate()[1]}")


def children_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_killed_and_stopped_it_goes_on_with_other_processes_and_ends_as_one_would(
    tiny_recipe: Path, tmp_path: Path
) -> None:
    """One of two is killed; three go on, and one of them is asked to stop; two hosts finish, with the weights dealt out.
    The losses are those of one process."""
    run = tmp_path / "run"
    (tmp_path / "random.py").write_text("raise SystemExit('a file in the folder was taken for a module of Python')")
    process = here(tiny_recipe, run, 2)
    wait_for_step(process, run, 10)
    os.kill(children_of(process)[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    (told,) = [line for line in errors.splitlines() if line.startswith("groundup: process")]
    assert "of 2 was ended by SIGKILL (the system does that when memory runs out); the others were ended; go on" in told
    assert "Traceback" not in errors
    assert "torch" not in errors

    process = here(tiny_recipe, run, 3, "--resume")
    wait_for_step(process, run, last_step(run) + 4, resumed=1)
    process.send_signal(signal.SIGHUP)  # a closed terminal, which nohup keeps from us
    os.kill(children_of(process)[-1], signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "the run was trained by 2 processes and goes on with 3 processes" in errors
    assert errors.count("stopped and saved in") == 1
    assert "torch" not in errors
    assert read_state(list_checkpoints(run)[-1])["processes"] == 3

    (tmp_path / "random.py").unlink()  # torchrun's own way to start us would take it
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = [sys.executable, "-P", "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    hosts = [
        start([*torchrun, "--node-rank", str(rank), "-m", "--", "groundup"], tiny_recipe, run, FSDP, "--resume")
        for rank in range(2)
    ]
    outputs = [host.communicate(timeout=120) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], outputs
    assert [bool(output) for output, _ in outputs] == [True, False], "the first process alone shows what came of it"

    train(tiny_recipe, OVERRIDES, run=tmp_path / "alone", say=lambda text: None)
    ours, theirs = (
        [record["loss"] for record in read_records(folder / "metrics.jsonl")] for folder in (run, tmp_path / "alone")
    )
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert RunDirectory(run).finished
    assert (run / "model" / "model.safetensors").is_file()
    with pytest.raises(RunError, match=r"was trained by several processes, .*: verify it without --replay"):
        replay(run, 8)
    assert [link.state for link in verify(run) if link.state != "whole"] == []

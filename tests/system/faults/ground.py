"""What each fault stands on: a recipe of a second, processes that are warm when they start, and what must hold after a fault.

Most children are forked from a server that has imported everything once (tests/forked.py); some are started by the real command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar

from tests import forked

from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.run.listing import list_runs
from groundup.run.records import read_records

ROOT = Path(__file__).parents[3]
TIMED = {"tokens_per_second", "mfu", "seconds", "joules", "time"}
NAMES_A_TIME = {"seconds", "joules", "checksum", "manifest", "checkpoint", "records"}
"""Of the result: what holds a time, or the hash of a file that holds one."""


@dataclass
class Ground:
    """Where the faults happen: a folder for runs, a recipe, and the run that nobody disturbed."""

    folder: Path
    cache: Path
    recipe: Path
    whole: Path = Path()
    seconds: float = 0.0
    """How long the undisturbed run took, from its fork to its end."""
    strategy: str = ""
    """Of two processes that train together, `ddp` or `fsdp`; of one nothing."""


@dataclass
class Summary:
    """What came of one kind of fault."""

    fault: str
    times: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """How often what was seen."""
    failures: list[str] = field(default_factory=list)
    skipped: str = ""
    """Why it could not be tried on this machine, or not in this way."""

    latest: ClassVar[Summary | None] = None

    def __post_init__(self) -> None:
        Summary.latest = self

    def count(self, what: str, times: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + times


class FaultError(AssertionError):
    """Something did not hold after a fault."""


def require(holds: object, why: str) -> None:
    if not holds:
        raise FaultError(why)


def write_recipe(folder: Path, **training: object) -> Path:
    """A recipe that trains for half a second at most and saves every third step."""
    settings = {
        "max_steps": 24,
        "batch_size": 4,
        "eval_steps": 8,
        "save_steps": 3,
        "logging_steps": 1,
        "warmup_steps": 5,
        "keep_checkpoints": 2,
        "num_threads": 1,
        "sample_tokens": 8,
        **training,
    }
    text = folder / "text.txt"
    text.write_text((ROOT / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(
        f'[data]\nsource = "{text}"\n'
        "[model]\nd_model = 16\nnum_layers = 2\nnum_heads = 2\nmax_seq_len = 16\ndropout = 0.1\n"
        "[training]\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        + "[evaluation]\nmax_tokens = 200\n",
        encoding="utf-8",
    )
    return path


# Processes.


@dataclass
class Child:
    """A `groundup` that runs: forked from the warm server, or started by its real command."""

    process: BaseProcess | subprocess.Popen[bytes]
    log: Path
    pid: int

    def alive(self) -> bool:
        process = self.process
        return process.is_alive() if isinstance(process, BaseProcess) else process.poll() is None

    def signal(self, number: int) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, seconds: float = 120) -> int:
        """Its exit status; that of a signal is negative. Raises if it takes longer."""
        if isinstance(self.process, BaseProcess):
            self.process.join(seconds)
            code = self.process.exitcode
        else:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            code = self.process.poll()
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            raise FaultError(f"it was still running after {seconds} s: {self.said()}")
        return code

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""


def start(
    arguments: Sequence[str],
    log: Path,
    environment: dict[str, str] | None = None,
    real: bool = False,
    before: Any = None,
    *given: Any,
) -> Child:
    """Start `groundup` with these arguments, in a session of its own. `before(*given)` is called in the child first, of a forked one."""
    if real:
        with log.open("wb") as file:
            command = [sys.executable, "-m", "groundup", *arguments]
            process = subprocess.Popen(
                command, stdout=file, stderr=file, start_new_session=True, env={**os.environ, **(environment or {})}
            )
        return Child(process, log, process.pid)
    child = forked.start(arguments, (None, log, log), {**os.environ, **(environment or {})}, None, before, *given)
    assert child.pid is not None
    return Child(child, log, child.pid)


def train_arguments(ground: Ground, run: Path, resume: bool = False, *overrides: str) -> list[str]:
    return ["train", str(ground.recipe), *overrides, "--run", str(run), *(["--resume"] if resume else [])]


def start_pair(ground: Ground, run: Path, resume: bool) -> list[Child]:
    """Two ranks, told their places as torchrun tells them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        start(
            train_arguments(ground, run, resume, *together(ground)),
            run.with_name(f"{run.name}-{rank}.log"),
            {**place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            False,
            short_last_words,
        )
        for rank in range(2)
    ]


def together(ground: Ground) -> list[str]:
    """What two processes train with that one doesn't."""
    return [f"parallel.strategy={ground.strategy}", "parallel.processes=2", "parallel.meeting_minutes=0.3"]


def short_last_words() -> None:
    """Called in a child: whose peer is gone waits a moment for that one's reason, and no more, so that a hundred kills take minutes."""
    import groundup.training.ranks as ranks

    ranks.LAST_WORDS = 0.2


def session_of(pid: int) -> list[int]:
    """The processes of a session that still live: what a killed process left behind."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[3] == str(pid) and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def wait_until(what: Any, child: Child, seconds: float = 60) -> bool:
    """Look until something holds, as closely as can be; whether it came to hold while the child lived."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for _ in range(50):
            if what():
                return True
        if not child.alive():
            return False
    raise FaultError(f"waited {seconds} s in vain: {child.said()[-500:]}")


# What must hold.


def require_readable(run: Path) -> None:
    """Whatever has happened to it, a run's folder is listed, and its chain is told, without a traceback."""
    from groundup.errors import GroundupError
    from groundup.recipe.verify import verify
    from groundup.report.facts import read_run

    listed = list_runs(run.parent)
    require(isinstance(listed, list), "not listed")
    directory = RunDirectory(run)
    for name in ("metrics.jsonl", "events.jsonl", "samples.jsonl"):
        read_records(run / name)
    if not directory.started:
        return
    (one,) = [found for found in listed if found["run"] == str(run)]
    require(one["state"] != "damaged", f"{run} is listed as damaged")
    directory.manifest()
    read_run(run)
    try:
        links = verify(run)
    except GroundupError as error:
        raise FaultError(f"verify refuses {run}: {error}") from error
    broken = [f"{link.name}: {link.detail}" for link in links if link.state == "broken"]
    require(not broken, f"broken by a kill: {broken}")


def require_same(run: Path, whole: Path, stopped: bool = False, records: bool = True) -> None:
    """The weights, the optimizer's tensors, every loss and sample are those of the undisturbed run, bit for bit."""
    require(RunDirectory(run).finished, f"{run} has not finished")
    ours, theirs = list_checkpoints(run), list_checkpoints(whole)
    if stopped:  # near the end it leaves a checkpoint where the other has none
        ours, theirs = (
            [
                path
                for path in some
                if (run / "checkpoints" / path.name).exists() and (whole / "checkpoints" / path.name).exists()
            ]
            for some in (ours, theirs)
        )
    require([path.name for path in ours] == [path.name for path in theirs], f"other checkpoints: {ours}")
    for our, their in zip(ours, theirs, strict=True):
        require(tensors(our) == tensors(their), f"{our.name} has other bits")
    require(tensors(run / "model") == tensors(whole / "model"), "model/ has other bits")
    require(not records or facts(run) == facts(whole), "other losses")
    require(
        not records or read_records(run / "samples.jsonl") == read_records(whole / "samples.jsonl"), "other samples"
    )
    results = [json.loads((folder / "result.json").read_text()) for folder in (run, whole)]
    told = [{name: value for name, value in result.items() if name not in NAMES_A_TIME} for result in results]
    require(told[0] == told[1], "another result")
    left = [str(path) for path in run.rglob(".*") if path.name.startswith((".writing", ".removed"))]
    require(not left, f"left behind: {left}")


def tensors(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}


def facts(run: Path) -> list[dict[str, Any]]:
    """The records of metrics, without what a clock says."""
    return [
        {key: value for key, value in record.items() if key not in TIMED}
        for record in read_records(run / "metrics.jsonl")
    ]


def require_one_sentence(said: str, *names: str) -> None:
    """The last thing said is groundup's own sentence, there is no traceback, and each of the names is in it."""
    require("Traceback" not in said, f"a traceback: {said[-1500:]}")
    last = next((line for line in reversed(said.splitlines()) if line.startswith("groundup: ")), "")
    require(last, f"no sentence: {said[-500:]}")
    for name in names:
        require(name in last, f"{name!r} is not in: {last}")


def finish_run(ground: Ground, run: Path, stopped: bool = False) -> None:
    """Resume it to its end, and hold it against the undisturbed one."""
    child = start(train_arguments(ground, run, True), log_of(run))
    code = child.wait()
    require(code == 0, f"resuming ended with {code}: {child.said()[-800:]}")
    require("Traceback" not in child.said(), child.said()[-1500:])
    require_same(run, ground.whole, stopped)


def log_of(run: Path) -> Path:
    return run.with_name(f"{run.name}.log")

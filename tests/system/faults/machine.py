"""A machine that misbehaves: clocks that jump, memory that is gone, and a scheduler that wants its node back."""

from __future__ import annotations

import datetime
import importlib
import itertools
import os
import random
import resource
import shutil
import signal
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.system.faults.ground import (
    FaultError,
    Ground,
    Summary,
    finish_run,
    log_of,
    require,
    require_one_sentence,
    require_readable,
    require_same,
    start,
    train_arguments,
    wait_until,
)
from tests.system.faults.operations import at_operation

Show = Callable[[str], None]
GRACE = 10.0
"""Seconds that a scheduler leaves between SIGTERM and SIGKILL, at the least."""


# Clocks.


def shift_clock(hours: float) -> None:
    """Called in a child: what Python's clocks of the day say is off by so much."""

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Shifted:
            return super().now(tz) + datetime.timedelta(hours=hours)

    import groundup.run.directory as directory

    true = time.time
    vars(directory)["datetime"] = types.SimpleNamespace(datetime=Shifted, UTC=datetime.UTC)
    time.time = lambda: true() + 3600 * hours


def _begin_shifted(hours: float, *operation: object) -> None:
    shift_clock(hours)
    if operation:
        at_operation(*operation)  # type: ignore[arg-type]


def shift_files(folder: Path, hours: float) -> None:
    """As if they had been written under that clock."""
    for path in (folder, *folder.rglob("*")):
        there = path.stat()
        os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns + int(3600e9 * hours)))


def clock_jumps(ground: Ground, random_: random.Random, times: int, kinds: dict[str, list[int]], show: Show) -> Summary:
    """The clock jumps by up to a day, or by years, between start, stop, kill, resume and end; nothing comes of it."""
    summary = Summary("the clock jumps between start, kills, resumes and the end")
    last = {
        "before model/ appears": kinds["rename .writing-model"][0],
        "before the last page": kinds["rename .writing-model"][0] + 1,
    }
    for number in range(times):
        run = ground.folder / f"clock-{number}"
        jumps = [
            random_.choice((1, -1)) * random_.choice((2, 5, 24, 24 * 365 * 5)) * random_.random() for _ in range(3)
        ]
        try:
            for hours, fault in zip(jumps, ("kill -9", "SIGTERM", random_.choice(list(last))), strict=True):
                operation = last.get(fault, random_.randint(20, 90))
                if fault in last:  # on the way are fewer changes than in a run that begins anew
                    operation = _operations_left(ground, run, operation, kinds)
                name = "kill -9" if fault in last else fault
                child = start(
                    train_arguments(ground, run, True),
                    log_of(run),
                    None,
                    False,
                    _begin_shifted,
                    hours,
                    str(run),
                    operation,
                    name,
                    "",
                )
                code = child.wait()
                require("Traceback" not in child.said(), child.said()[-1000:])
                require(code in (-9, 143, 0, -15), f"it ended with {code}: {child.said()[-500:]}")
                shift_files(run, hours)
                require_readable(run)
                summary.count(f"{fault}: ended with {code}")
                summary.times += 1
            finish_run(ground, run, stopped=True)
            shown = (run / "report.html").read_text()
            require("Finished" in shown, "the page still shows the run as it was before its end")
        except FaultError as error:
            summary.failures.append(f"{[round(jump, 1) for jump in jumps]}: {error}")
        shutil.rmtree(run, ignore_errors=True)
        show(f"{number + 1}/{times} runs, {len(summary.failures)} failures")
    return summary


def _operations_left(ground: Ground, run: Path, operation: int, kinds: dict[str, list[int]]) -> int:
    """How many changes a resumed run makes until that one: found by letting a copy do it."""
    from tests.system.faults.operations import list_operations

    copy, into = run.with_name("counted"), run.with_name("counted.txt")
    shutil.copytree(run, copy)
    child = start(train_arguments(ground, copy, True), log_of(copy), None, False, list_operations, str(copy), str(into))
    require(child.wait() == 0, child.said())
    lines = into.read_text().splitlines()
    shutil.rmtree(copy)
    into.unlink()
    return lines.index("rename .writing-model") + 1 + operation - kinds["rename .writing-model"][0]


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def clock_jumps_for_all(ground: Ground, random_: random.Random, times: int, show: Show) -> Summary:
    """The same by libfaketime, for the real command: every clock of the day of the whole process is off."""
    summary = Summary("the clock jumps, by libfaketime")
    if not FAKETIME.is_file():
        summary.skipped = "libfaketime isn't installed"
        return summary
    for number in range(times):
        run = ground.folder / f"faketime-{number}"
        jumps = [f"{random_.choice('+-')}{random_.randint(2, 2000)}h" for _ in range(3)]
        try:
            for jump, wait in zip(jumps, (True, True, False), strict=True):
                environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": jump, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
                child = start(train_arguments(ground, run, True), log_of(run), environment, real=True)
                if wait:
                    deadline = time.monotonic() + 60
                    while child.alive() and "step" not in child.said() and time.monotonic() < deadline:
                        time.sleep(0.01)
                    child.signal(random_.choice((signal.SIGKILL, signal.SIGTERM)))
                code = child.wait()
                require("Traceback" not in child.said(), child.said()[-1000:])
                require(code in ((-9, 143, 0) if wait else (0,)), f"it ended with {code}: {child.said()[-500:]}")
                require_readable(run)
                summary.times += 1
            require_same(run, ground.whole, stopped=True)
        except FaultError as error:
            summary.failures.append(f"{jumps}: {error}")
        show(f"{number + 1}/{times} runs, {len(summary.failures)} failures")
    return summary


# Memory.


def killed_for_memory(
    ground: Ground, random_: random.Random, times: int, kinds: dict[str, list[int]], show: Show
) -> Summary:
    """A control group of too little memory: the kernel kills the process; the run goes on where it has more."""
    summary = Summary("killed by the kernel for want of memory")
    with _control_group() as group:
        if group is None:
            summary.skipped = "no memory control group may be made here"
            return summary
        for number in range(times):
            run = ground.folder / f"memory-{number}"
            operation = random_.choice([one for numbers in kinds.values() for one in numbers])
            try:
                child = start(
                    train_arguments(ground, run),
                    log_of(run),
                    None,
                    False,
                    _within_group,
                    str(group),
                    str(run),
                    operation,
                )
                code = child.wait()
                require(code == -9, f"it ended with {code}: {child.said()[-500:]}")
                summary.times += 1
                require_readable(run)
                finish_run(ground, run)
            except FaultError as error:
                summary.failures.append(f"at change {operation}: {error}")
            shutil.rmtree(run, ignore_errors=True)
            show(f"{number + 1}/{times}, {len(summary.failures)} failures")
        summary.count("by the kernel's own count", _kernel_kills(group))
    return summary


@contextmanager
def _control_group() -> Iterator[Path | None]:
    """A group of 200 MB, version 1 or 2; None where none may be made."""
    root = Path("/sys/fs/cgroup")
    old = (root / "memory").is_dir()
    group = (root / "memory" if old else root) / f"faults-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(200 << 20))
    except OSError:
        if group.is_dir():
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        deadline = time.monotonic() + 5
        while group.is_dir() and time.monotonic() < deadline:
            with suppress(OSError):  # its last process is just going
                group.rmdir()
            time.sleep(0.05)


def _kernel_kills(group: Path) -> int:
    for name in ("memory.oom_control", "memory.events"):
        if (group / name).is_file():
            for line in (group / name).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def _within_group(group: str, run: str, operation: int) -> None:
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    at_operation(run, operation, "memory", "")


def too_little_memory(ground: Ground, random_: random.Random, times: int, show: Show) -> Summary:
    """A limit of address space that a step, a checkpoint or the data passes: one sentence, and a run that goes on without the limit."""
    summary = Summary("memory refused (ulimit -v)")
    big = [
        "model.d_model=256",
        "model.max_seq_len=128",
        "training.batch_size=32",
        "training.max_steps=4",
        "training.save_steps=1",
        "training.eval_steps=2",
    ]
    for number in range(times):
        run = ground.folder / f"limit-{number}"
        megabytes = random_.choice((1, 4, 16, 32, 48, 64, 96, 128, 160, 192, 256))
        try:
            child = start(train_arguments(ground, run, False, *big), log_of(run), None, False, limit_memory, megabytes)
            code = child.wait()
            summary.times += 1
            if code == 1:
                require_one_sentence(child.said(), "memory")
                summary.count("one sentence")
            elif code < 0:
                summary.count(f"ended by signal {-code}")
                require("Traceback" not in child.said(), child.said()[-1500:])
            else:
                require(code == 0, f"it ended with {code}: {child.said()[-1500:]}")
                summary.count("fitted")
            require_readable(run)
            child = start(train_arguments(ground, run, True, *big), log_of(run))
            require(child.wait() == 0, child.said()[-1500:])
            require_readable(run)
        except FaultError as error:
            summary.failures.append(f"{megabytes} MB: {error}")
        shutil.rmtree(run, ignore_errors=True)
        show(f"{number + 1}/{times}, {len(summary.failures)} failures")
    return summary


def limit_memory(megabytes: int) -> None:
    """Called in a child: it may take so much more than it has."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (megabytes << 20),) * 2)


# Signals.


def told_to_stop(
    ground: Ground, random_: random.Random, kinds: dict[str, list[int]], share: float, show: Show, real: int = 0
) -> Summary:
    """SIGTERM before each kind of change to a file, and at moments in the midst of each phase; SIGKILL would come 10 s later."""
    summary = Summary("SIGTERM, ten seconds before SIGKILL")
    chosen = sorted(kinds) if share == 1 else random_.sample(sorted(kinds), max(1, round(share * len(kinds))))
    phases = [phase for phase in PHASES for _ in range(max(1, round(len(chosen) / len(PHASES))))]
    planned = [*chosen, *phases, *(["real"] * real)]
    for number, kind in enumerate(planned):
        run = ground.folder / f"term-{number}"
        operation = random_.choice(kinds.get(kind, [1]))
        try:
            if kind in kinds:
                child = start(
                    train_arguments(ground, run),
                    log_of(run),
                    None,
                    False,
                    at_operation,
                    str(run),
                    operation,
                    "SIGTERM",
                    "",
                )
                began = time.monotonic()
            elif kind in PHASES:
                operation, delay = random_.randint(1, PHASES[kind][2]), random_.random() * 20
                arguments = (kind, operation, delay, int(signal.SIGTERM))
                child = start(train_arguments(ground, run), log_of(run), None, False, signal_in_phase, *arguments)
                began = time.monotonic()
            else:
                child = start(train_arguments(ground, run), log_of(run), real=True)
                wait_until(run.exists, child)
                time.sleep(random_.random() * ground.seconds)
                began = time.monotonic()
                child.signal(signal.SIGTERM)
            _end_within(child, GRACE, began, kind != "real", ground.seconds)
            code = child.wait()
            summary.times += 1
            said = child.said()
            require("Traceback" not in said, said[-1500:])
            require(code in (143, -15, 0), f"it ended with {code}: {said[-500:]}")
            summary.count({143: "stopped and saved", -15: "ended at once, with no step to save", 0: "was done"}[code])
            require_readable(run)
            if code == 143:
                _require_nothing_lost(run, said)
            finish_run(ground, run, stopped=True)
        except FaultError as error:
            summary.failures.append(f"{kind} ({operation}): {error}")
        shutil.rmtree(run, ignore_errors=True)
        show(f"{number + 1}/{len(planned)}, {len(summary.failures)} failures")
    return summary


PHASES = {
    "data": ("groundup.recipe.train", "prepare_recipe", 1),
    "a step": ("groundup.training.loop", "take_step", 20),
    "validation and samples": ("groundup.training.between_steps", "_evaluate_here", 4),
    "saving": ("groundup.training.loop", "save", 8),
    "the last measurement": ("groundup.recipe.train", "finish", 1),
    "the page": ("groundup.recipe.train", "write_report", 1),
}


def signal_in_phase(phase: str, call: int, milliseconds: float, number: int) -> None:
    """Called in a child: some milliseconds into the `call`-th call of what a phase is, the child gets a signal."""
    place, name, _ = PHASES[phase]
    module = importlib.import_module(place)
    function, calls = getattr(module, name), itertools.count(1)

    def called(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            threading.Timer(milliseconds / 1000, os.kill, (os.getpid(), number)).start()
        return function(*arguments, **named)

    setattr(module, name, called)


def _end_within(child: object, grace: float, began: float, from_start: bool, whole: float) -> None:
    limit = began + grace + (whole if from_start else 0)
    while child.alive():  # type: ignore[attr-defined]
        if time.monotonic() > limit:
            child.signal(signal.SIGKILL)  # type: ignore[attr-defined]
            raise FaultError(f"it had not ended after {grace:.0f} s")
        time.sleep(0.005)


def _require_nothing_lost(run: Path, said: str) -> None:
    """The step that was reached is the one that was saved."""
    from groundup.run.checkpoints import list_checkpoints, step_of
    from groundup.run.records import read_records

    reached = max((record["step"] for record in read_records(run / "metrics.jsonl")), default=0)
    saved = [step_of(path) for path in list_checkpoints(run)]
    told = "stopped and saved in" if saved else "stopped before there was a step to save"
    require(told in said, f"it does not say how it stopped: {said[-500:]}")
    if reached:  # before the first step there is nothing to keep
        require(saved and saved[-1] == reached, f"step {reached} was reached, and {saved[-1:]} saved")


def told_twice(ground: Ground, random_: random.Random, times: int, show: Show) -> Summary:
    """A second signal, a moment after the first: it ends at once, and what was saved is whole."""
    summary = Summary("SIGTERM twice")
    for number in range(times):
        run = ground.folder / f"twice-{number}"
        first, second = random_.choice(
            ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGINT, signal.SIGINT))
        )
        child = start(train_arguments(ground, run), log_of(run))
        time.sleep(random_.random() * ground.seconds)
        child.signal(first)
        time.sleep(random_.choice((0.0, random_.random() * 0.01, random_.random() * 0.1)))
        child.signal(second)
        try:
            code = child.wait(GRACE)
            summary.times += 1
            require("Traceback" not in child.said(), child.said()[-1500:])
            require(code in (143, 130, -15, -2, 0), f"it ended with {code}: {child.said()[-500:]}")
            summary.count(f"ended with {code}")
            require_readable(run)
            finish_run(ground, run, stopped=True)
        except FaultError as error:
            summary.failures.append(f"{first.name}, {second.name}: {error}")
        shutil.rmtree(run, ignore_errors=True)
        show(f"{number + 1}/{times}, {len(summary.failures)} failures")
    return summary

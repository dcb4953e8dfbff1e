"""A machine that misbehaves: clocks that jump, and memory that is gone."""

from __future__ import annotations

import datetime
import os
import random
import resource
import shutil
import signal
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.system.faults.ground import (
    Child,
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
)
from tests.system.faults.operations import at_operation

from groundup.run.directory import RunDirectory
from groundup.run.files import write_atomic
from groundup.run.records import read_records

Show = Callable[[str], None]


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
                require_true_durations(run)
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


def clock_jumps_for_all(ground: Ground, random_: random.Random, times: int, show: Show) -> Summary:
    """The same by libfaketime, for the real command: every clock of the day of the whole process is off, and jumps in its midst."""
    summary = Summary("the clock jumps, by libfaketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        summary.skipped = "libfaketime isn't installed"
        return summary
    for number in range(times):
        run = ground.folder / f"faketime-{number}"
        jumps = [f"{random_.choice('+-')}{random_.randint(2, 2000)}h" for _ in range(6)]
        try:
            for before, after, ending in zip(jumps[::2], jumps[1::2], ("kill -9", "SIGTERM", "the end"), strict=True):
                child = _start_with_clock(ground, run, library, before)
                deadline = time.monotonic() + 60
                while child.alive() and "step" not in child.said() and time.monotonic() < deadline:
                    time.sleep(0.01)
                set_clock(ground, after)
                if ending != "the end":
                    time.sleep(random_.random() * 0.2)
                    child.signal(signal.SIGKILL if ending == "kill -9" else signal.SIGTERM)
                code, said = child.wait(), child.said()
                for left in Path("/dev/shm").glob(f"*faketime_*_{child.pid}"):
                    left.unlink()  # the library's own, of one that was killed
                require("Traceback" not in said, said[-1000:])
                allowed = {"kill -9": (-9, 0), "SIGTERM": (143, -15, 0), "the end": (0,)}[ending]
                require(code in allowed, f"it ended with {code}: {said[-500:]}")
                summary.count(f"{ending}: ended with {code}")
                require_readable(run)
                require_true_durations(run)
                summary.times += 1
            require_same(run, ground.whole, stopped=True)
        except FaultError as error:
            summary.failures.append(f"{jumps}: {error}")
        show(f"{number + 1}/{times} runs, {len(summary.failures)} failures")
    return summary


def _start_with_clock(ground: Ground, run: Path, library: Path, offset: str) -> Child:
    """The real command, whose clock is that which `set_clock` sets, again and again."""
    set_clock(ground, offset)
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(ground.folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return start(train_arguments(ground, run, True), log_of(run), environment, real=True)


def set_clock(ground: Ground, offset: str) -> None:
    """Of whoever was started with that clock: so many hours off, such as +5h."""
    write_atomic(ground.folder / "clock", f"{offset}\n")


LONGEST = 3600.0
"""Seconds that nothing here takes."""


def require_true_durations(run: Path) -> None:
    """No clock's jump is in what the run says that anything took, or will take."""
    plan = RunDirectory(run).manifest().get("plan", {}).values() if RunDirectory(run).started else ()
    told = [one["seconds"] for one in (*read_records(run / "metrics.jsonl"), *plan) if "seconds" in one]
    require(all(0 <= seconds < LONGEST for seconds in told), f"seconds that were not: {told}")


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

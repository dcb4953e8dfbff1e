"""kill -9, at random moments and at aimed ones, of one process and of two that train together."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
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
    session_of,
    start,
    start_pair,
    together,
    train_arguments,
    wait_until,
)

AIMS: dict[str, tuple[str, ...]] = {
    "while preparing data": (),
    "while a checkpoint is written": ("checkpoints/.writing-*",),
    "while the manifest is written": (".manifest.json.tmp",),
    "while an old checkpoint goes": ("checkpoints/.removed-*",),
    "while model/ is written": (".writing-model",),
    "while the result is written": (".result.json.tmp", "result.json"),
    "while the report is written": (".report.html.tmp", "model"),
    "as the run begins": ("recipe.toml", ".recipe.toml.tmp"),
}
"""Where a kill is aimed at: it comes once one of these is seen in the run's folder, and a little later."""


def kill_one_process(ground: Ground, random_: random.Random, kills: int, show: Callable[[str], None]) -> Summary:
    """Kill a run, resume it, perhaps kill it again; then to its end, and every bit is the undisturbed run's."""
    summary = Summary("kill -9, one process")
    number = 0
    while summary.times < kills:
        number += 1
        run = ground.folder / f"kill-{number}"
        cache = ground.folder / f"kill-{number}-cache" if random_.random() < 0.3 else ground.cache
        real = number % 12 == 0
        told: list[str] = []
        try:
            resume = False
            for _ in range(random_.choice((1, 2, 4, 8))):
                if summary.times == kills:
                    break
                child = start(
                    train_arguments(ground, run, resume), log_of(run), {"GROUNDUP_CACHE": str(cache)}, real=real
                )
                what = _kill(ground, run, cache, child, random_, real)
                told.append(what)
                code = child.wait()
                if code == 0:
                    summary.count("came too late")
                    break
                require(code == -signal.SIGKILL, f"it ended by itself, with {code}: {child.said()[-800:]}")
                summary.times += 1
                summary.count(what)
                _no_orphans(child)
                require_readable(run)
                resume = True
            os.environ["GROUNDUP_CACHE"] = str(cache)
            finish_run(ground, run)
        except FaultError as error:
            summary.failures.append(f"run {number} ({'; '.join(told)}): {error}")
        finally:
            os.environ["GROUNDUP_CACHE"] = str(ground.cache)
        shutil.rmtree(run, ignore_errors=True)
        if cache != ground.cache:
            shutil.rmtree(cache, ignore_errors=True)
        show(f"{summary.times}/{kills} kills, {number} runs, {len(summary.failures)} failures")
    return summary


def _kill(ground: Ground, run: Path, cache: Path, child: Child, random_: random.Random, real: bool) -> str:
    """Kill a child at a random moment of its life, or at an aimed one; what it was."""
    aim = random_.choice(["at any moment"] * len(AIMS) + list(AIMS))
    if aim == "while preparing data" and cache == ground.cache:
        aim = "while a checkpoint is written"
    if aim == "at any moment":
        begun = run.exists()
        if real:  # its imports are not its life
            wait_until(lambda: run.exists() if not begun else log_of(run).stat().st_size > 0, child)
        time.sleep(random_.random() * ground.seconds)
    else:
        folder = cache if aim == "while preparing data" else run
        patterns = AIMS[aim] or ("**/*",)
        skip = random_.randrange(6) if "checkpoint" in aim or "manifest" in aim else 0
        _see(folder, patterns, child, skip)
        time.sleep(random_.choice((0.0, random_.random() * 0.003, random_.random() * 0.02)))
    child.signal(signal.SIGKILL)
    return aim


def _see(folder: Path, patterns: tuple[str, ...], child: Child, skip: int) -> None:
    """Until something new of these patterns has been seen, `skip` of them passed over."""
    before = {path for pattern in patterns for path in folder.glob(pattern)} if folder.exists() else set()
    for _ in range(skip + 1):
        if not wait_until(lambda: _there(folder, patterns, before), child):
            return
        wait_until(lambda: not _there(folder, patterns, before), child) if skip else None


def _there(folder: Path, patterns: tuple[str, ...], before: set[Path]) -> bool:
    try:
        return any(path not in before for pattern in patterns for path in folder.glob(pattern))
    except OSError:
        return False


def _no_orphans(child: Child) -> None:
    deadline = time.monotonic() + 10
    while left := session_of(child.pid):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise FaultError(f"{len(left)} processes of a killed one still live")
        time.sleep(0.02)


# Two processes.


def kill_two_processes(
    ground: Ground, random_: random.Random, kills: int, launched: int, show: Callable[[str], None]
) -> Summary:
    """The same of two ranks: one of them is killed, or both; of some runs by the real command also its launcher, or all three.

    `ground.whole` is a run of two processes. Ranks are forked as torchrun would start them, but warm.
    """
    summary = Summary("kill -9, two processes" + (", sharded" if ground.strategy == "fsdp" else ""))
    number = 0
    while summary.times < kills:
        number += 1
        run = ground.folder / f"pair-{number}"
        told: list[str] = []
        try:
            resume = False
            for _ in range(random_.choice((1, 2, 4))):
                if summary.times == kills:
                    break
                real = summary.times < launched
                what = (
                    _kill_launched(ground, run, resume, random_) if real else _kill_pair(ground, run, resume, random_)
                )
                told.append(what)
                summary.count(what)
                if what == "came too late":
                    break
                summary.times += 1
                require_readable(run)
                resume = True
            pair = start_pair(ground, run, True)
            codes = [child.wait() for child in pair]
            require(codes == [0, 0], f"resuming ended with {codes}: {pair[0].said()[-500:]} {pair[1].said()[-300:]}")
            # Ranks whose launcher has gone are told to stop: they save where they are.
            require_same(run, ground.whole, stopped=any("the launcher" in what for what in told))
        except FaultError as error:
            summary.failures.append(f"pair {number} ({'; '.join(told)}): {error}")
        shutil.rmtree(run, ignore_errors=True)
        show(f"{summary.times}/{kills} kills, {number} runs, {len(summary.failures)} failures")
    return summary


def _kill_pair(ground: Ground, run: Path, resume: bool, random_: random.Random) -> str:
    pair = start_pair(ground, run, resume)
    which = random_.choice(((0,), (1,), (0, 1), (1, 0)))
    aim = _wait_for_aim(ground, run, pair[0], random_)
    alive = [pair[rank].alive() for rank in which]
    for rank in which:
        pair[rank].signal(signal.SIGKILL)
    codes = [child.wait(60) for child in pair]
    for child in pair:
        _no_orphans(child)
    if not any(alive) or codes == [0, 0]:
        return "came too late"
    for child, code in zip(pair, codes, strict=True):
        require(code in (-9, 0, 1), f"a rank ended with {code}: {child.said()[-800:]}")
        require("Traceback" not in child.said(), child.said()[-1500:])
        if code == 1 and " has waited " not in child.said():
            require_one_sentence(child.said(), "another one has ended")
        elif code == 1:
            require_one_sentence(child.said(), "0.3 minutes for process")
            return "before they had met"
    names = " and ".join(f"rank {rank}" for rank in sorted(which))
    return f"{names}, {aim}"


def _wait_for_aim(ground: Ground, run: Path, child: Child, random_: random.Random) -> str:
    """A random moment of its life, or when a checkpoint, the model or the report is written; which of the two."""
    if random_.random() < 0.5:
        time.sleep(random_.random() * ground.seconds)
        return "at any moment"
    aim = random_.choice(("while a checkpoint is written", "while model/ is written", "while the report is written"))
    _see(run, AIMS[aim], child, random_.randrange(6) if "checkpoint" in aim else 0)
    time.sleep(random_.choice((0.0, random_.random() * 0.02)))
    return "while something is saved"


def _kill_launched(ground: Ground, run: Path, resume: bool, random_: random.Random) -> str:
    """By the real command: a rank, the launcher, or all of them; nobody is left."""
    child = start(train_arguments(ground, run, resume, *together(ground)), log_of(run), real=True)
    aim = random_.choice(("at any moment", "while something is saved"))
    if aim == "at any moment":
        wait_until(lambda: (run / "manifest.json").exists(), child)
        time.sleep(random_.random() * 3)
    else:
        _see(run, AIMS["while a checkpoint is written"], child, random_.randrange(4))
    which = random_.choice(("the launcher", "a rank", "all"))
    if which == "a rank":
        wait_until(lambda: len(_family(child.pid)) > 1, child)
    others = [pid for pid in _family(child.pid) if pid != child.pid]
    chosen = {"the launcher": [child.pid], "a rank": others[:1], "all": [child.pid, *others]}[which]
    if not child.alive():
        child.wait()
        return "came too late"
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    code = child.wait()
    deadline = time.monotonic() + 30
    while left := [pid for pid in others if Path(f"/proc/{pid}").exists() and _state(pid) not in "ZX"]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise FaultError(f"{len(left)} of its processes still live after {which} was killed")
        time.sleep(0.05)
    if which == "a rank" and code != 0:
        require(code == 1, f"the launcher ended with {code}: {child.said()[-500:]}")
        require_one_sentence(child.said(), "SIGKILL", "--resume")
    return f"the command: {which}, {aim}"


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, wave = [], [pid]
    while wave:
        found += wave
        wave = [child for parent in wave for child in children.get(parent, [])]
    return found


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"

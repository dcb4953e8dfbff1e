"""A scheduler that wants its node back, and a person at the keyboard: SIGTERM and Ctrl-C, once and twice, in the midst of anything."""

from __future__ import annotations

import importlib
import itertools
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.faults.ground import (
    FaultError,
    Ground,
    Summary,
    finish_run,
    log_of,
    require,
    require_readable,
    start,
    train_arguments,
    wait_until,
)
from tests.system.faults.operations import at_operation

from groundup.run.directory import RunDirectory

Show = Callable[[str], None]
GRACE = 10.0
"""Seconds that a scheduler leaves between SIGTERM and SIGKILL, at the least."""


def told_to_stop(
    ground: Ground, random_: random.Random, kinds: dict[str, list[int]], share: float, show: Show, real: int = 0
) -> Summary:
    """SIGTERM before each kind of change to a file, and at moments in the midst of each phase; SIGKILL would come 10 s later."""
    summary = Summary("SIGTERM, ten seconds before SIGKILL")
    chosen = sorted(kinds) if share == 1 else random_.sample(sorted(kinds), max(1, round(share * len(kinds))))
    in_turn = itertools.cycle(random_.sample(sorted(PHASES), len(PHASES)))
    phases = [*itertools.islice(in_turn, max(2, len(chosen)))]
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
            require_readable(run)
            saved = code == 143 and _require_nothing_lost(run, said)
            summary.count("was done" if code == 0 else "stopped and saved" if saved else "ended, with no step to save")
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


def _require_nothing_lost(run: Path, said: str) -> bool:
    """The step that was reached is the one that was saved; whether there was one."""
    from groundup.run.checkpoints import list_checkpoints, step_of
    from groundup.run.records import read_records

    reached = max((record["step"] for record in read_records(run / "metrics.jsonl")), default=0)
    saved = [step_of(path) for path in list_checkpoints(run)]
    told = "stopped and saved in" if saved else "stopped before there was a step to save"
    require(told in said, f"it does not say how it stopped: {said[-500:]}")
    if reached:  # before the first step there is nothing to keep
        require(saved and saved[-1] == reached, f"step {reached} was reached, and {saved[-1:]} saved")
    return bool(saved)


def told_twice(ground: Ground, random_: random.Random, times: int, show: Show) -> Summary:
    """A second signal, a moment after the first or in the midst of the save that the first led to: it ends at once, with the status of one
    of the two, and what was saved is whole."""
    summary = Summary("SIGTERM or Ctrl-C twice")
    for number in range(times):
        run = ground.folder / f"twice-{number}"
        first, second = random_.choice(
            ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGINT, signal.SIGINT))
        )
        saving = number % 2 == 0
        before = (signals_in_save, random_.randint(1, PHASES["saving"][2]), int(first), int(second)) if saving else ()
        child = start(train_arguments(ground, run), log_of(run), None, False, *before)
        if not saving:
            time.sleep(random_.random() * ground.seconds)
            child.signal(first)
            time.sleep(random_.choice((0.0, random_.random() * 0.01, random_.random() * 0.1)))
            child.signal(second)
        try:
            code, said = child.wait(GRACE), child.said()
            summary.times += 1
            require("Traceback" not in said, said[-1500:])
            summary.count(_ending(code, said, run, second if saving else first, second))
            require("stopped at once" in said or not saving, f"it does not say so: {said[-500:]}")
            require_readable(run)
            finish_run(ground, run, stopped=True)
        except FaultError as error:
            summary.failures.append(f"{first.name}, {second.name}{' while saving' * saving}: {error}")
        shutil.rmtree(run, ignore_errors=True)
        show(f"{number + 1}/{times}, {len(summary.failures)} failures")
    return summary


def signals_in_save(call: int, first: int, second: int) -> None:
    """Called in a child: it gets two signals at the beginning of the `call`-th save."""
    loop = importlib.import_module("groundup.training.loop")
    save, calls = loop.save, itertools.count(1)

    def called(*arguments: Any) -> None:
        if next(calls) == call:
            os.kill(os.getpid(), first)
            os.kill(os.getpid(), second)
        save(*arguments)

    vars(loop)["save"] = called


def _ending(code: int, said: str, run: Path, *signals: signal.Signals) -> str:
    """In words; raises where the status is none of these signals', as a shell shows it, but for a run that had ended already."""
    if code == 0:
        require(RunDirectory(run).finished, f"status 0, and it has not finished: {said[-500:]}")
        return "was done"
    status = code if code > 0 else 128 - code
    require(status in {128 + number for number in signals}, f"it ended with {code}: {said[-500:]}")
    return f"ended with {status}"

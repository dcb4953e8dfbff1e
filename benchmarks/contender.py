"""Contenders: programs that are measured beside each other, each in a process of its own, asked in turn.

A contender that can't be measured (its environment can't be made, it fails, no checkout was given) is left out, with a reason
that goes into the table and the JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from benchmarks.environment import ROOT, Unavailable, last_words, python_of


@dataclass(frozen=True)
class Program:
    """What a contender runs: a module that ends in `protocol.serve`, in an environment ("" for the one that runs this)."""

    module: str
    environment: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Contender:
    """A process that takes steps when it is asked."""

    name: str
    process: subprocess.Popen[str]
    errors: IO[bytes]
    seconds: list[float] = field(default_factory=list)
    peak_rss: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    """What it said of itself before the first question."""

    def hear(self) -> dict[str, Any]:
        """Its next answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().decode(errors="replace")
            raise Unavailable(f"it ended with exit status {status}: {last_words(said)}")
        return dict(json.loads(line))

    def take(self, steps: int) -> float:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; `hear` says why
            print(json.dumps({"steps": steps}), file=self.process.stdin, flush=True)
        return float(self.hear()["seconds"])

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.peak_rss = int(self.hear()["peak_rss"])
        self.process.wait()


def prepare(program: Program, task: Mapping[str, Any]) -> None:
    """Run a program that only writes files, and wait for it. Raises `Unavailable`."""
    command = [str(python_of(program.environment)), "-m", program.module, json.dumps(task)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **program.variables}, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"its files could not be written: {last_words(done.stderr)}")


def start(name: str, program: Program, task: Mapping[str, Any]) -> Contender:
    """Start a contender with its task. Raises `Unavailable`."""
    python = python_of(program.environment)
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
    process = subprocess.Popen(
        [str(python), "-m", program.module, json.dumps(task)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=ROOT,
        env={**os.environ, **program.variables},
    )
    return Contender(name, process, errors)


def start_all(
    programs: Mapping[str, Program], task: Mapping[str, Any], left_out: dict[str, str], telling: bool = False
) -> list[Contender]:
    """Those that can be started; why the others can't is added to `left_out`.

    With `telling` each is heard before the next is started, so that they don't stand in each other's way.
    """
    ready = {}
    for name, program in programs.items():  # nothing is installed while something is measured
        try:
            python_of(program.environment)
            ready[name] = program
        except Unavailable as error:
            left_out[name] = str(error)
    started = []
    for name, program in ready.items():
        try:
            contender = start(name, program, task)
            if telling:
                contender.told = contender.hear()
            started.append(contender)
        except Unavailable as error:
            left_out[name] = str(error)
    return started


def measure(
    contenders: Sequence[Contender],
    rounds: int,
    steps: int,
    left_out: dict[str, str],
    warm_up: int = 2,
    pause: float = 0.0,
) -> list[Contender]:
    """Ask all of them in turn, in an order that changes, and end them; who fails on the way is moved to `left_out`.

    `pause` seconds lie before each turn: some libraries' threads go on spinning for a while after their work.
    """
    here = list(contenders)
    order = random.Random(0)

    def each(what: Callable[[Contender], object]) -> None:
        for contender in list(here):
            try:
                what(contender)
            except Unavailable as error:
                left_out[contender.name] = str(error)
                here.remove(contender)

    def one_round(contender: Contender) -> None:
        time.sleep(pause)
        contender.seconds.append(contender.take(steps) / steps)

    if warm_up:
        each(lambda contender: contender.take(warm_up))
    for _ in range(rounds):
        order.shuffle(here)
        each(one_round)
    each(Contender.end)
    return [contender for contender in contenders if contender.name not in left_out]

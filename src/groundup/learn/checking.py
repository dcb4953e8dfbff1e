"""Run checks on somebody's attempt: one after the other, up to the first that finds something, with a hint that says what."""

from __future__ import annotations

import contextlib
import importlib
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from groundup.errors import LearnError
from groundup.learn.catalogue import Exercise

SECONDS = 20.0
"""An attempt that takes longer than this has a loop that never ends."""
MOST_LINES = 2_000
"""Lines of an attempt that may run, one after the other, where a right one needs some thirty, or a few for each row."""
TraceFunction = Callable[[FrameType, str, Any], Any]
Attempt = dict[str, Any]
"""What the file defines: the wanted functions or classes, by their names."""


@dataclass(frozen=True)
class Check:
    """One thing that has to hold."""

    says: str
    """What holds, in words."""
    look: Callable[[Attempt], str]
    """A hint at what is wrong, or an empty text."""


@dataclass(frozen=True)
class Found:
    """What one check came to: right (no hint), wrong (a hint), or not looked at, since one before it found something."""

    says: str
    hint: str = ""
    looked_at: bool = True

    @property
    def right(self) -> bool:
        return self.looked_at and not self.hint


def check(exercise: Exercise, file: Path) -> list[Found]:
    """What each of the exercise's checks says of the attempt in `file`. Raises `LearnError` if it can't be read or run.

    The file is run as a program is: it is the reader's own.
    """
    if not file.is_file():
        raise LearnError(f"{file} is not there: write it with  groundup learn start {exercise.name}")
    checks: Sequence[Check] = importlib.import_module(f"groundup.learn.checks.{exercise.name}").CHECKS
    with _time_limit(file):
        try:
            attempt = runpy.run_path(str(file))
        except LearnError:
            raise
        except (Exception, SystemExit) as error:
            raise LearnError(f"{file} can't be run: {_told(error, file)}") from error
        missing = [name for name in exercise.wanted if name not in attempt]
        if missing:
            raise LearnError(f"{file} defines no {missing[0]}: keep the name that the exercise gave it")
        found: list[Found] = []
        for one in checks:
            if found and not found[-1].right:
                found.append(Found(one.says, looked_at=False))
                continue
            torch.manual_seed(0)
            try:
                hint = one.look(attempt)
            except LearnError:  # out of time
                raise
            except NotImplementedError:
                hint = "not written yet: put your code in the place of  raise NotImplementedError"
            except (Exception, SystemExit) as error:  # whatever somebody's code may raise
                hint = f"it raised {_told(error, file)}"
            found.append(Found(one.says, hint))
    return found


def _told(error: BaseException, file: Path) -> str:
    """The error in one line, with the last of the file's own lines that led to it."""
    message = " ".join(str(error).split()) or "no message"
    if isinstance(error, SystemExit):
        message = "an exit ends what checks it, too: take it out"
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    if isinstance(error, SyntaxError):
        own, message = [error.lineno], error.msg
    return f"{type(error).__name__} (line {own[-1]}): {message}" if own else f"{type(error).__name__}: {message}"


@contextlib.contextmanager
def _time_limit(file: Path) -> Iterator[None]:
    """Raise `LearnError` after `SECONDS`, where the system has an alarm for it."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise LearnError(
            f"{file} took longer than {SECONDS:g} seconds: does one of its loops never end, or go over every number by itself?"
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def same(one: object, other: Tensor, tolerance: float = 1e-5) -> bool:
    """Whether `one` is a tensor of the other's shape and, but for rounding, of its numbers."""
    if not isinstance(one, Tensor) or one.shape != other.shape:
        return False
    return bool(torch.allclose(one.double(), other.double(), rtol=tolerance, atol=tolerance, equal_nan=True))


def hint_for(value: object, right: Tensor, mistakes: Sequence[tuple[Tensor, str]], otherwise: str) -> str:
    """Nothing if the value is right; else the hint of the mistake that gives just this value, or `otherwise`."""
    if not isinstance(value, Tensor):
        return f"it should give a tensor, and gave {_instead(value)}"
    if same(value, right):
        return "" if value.dtype == right.dtype else _of_another_type(value.dtype, right.dtype)
    for wrong, hint in mistakes:
        if same(value, wrong):
            return hint
    if value.shape != right.shape:
        return f"the result has the shape {tuple(value.shape)}, and should have {tuple(right.shape)}"
    if value.isnan().any() and not right.isnan().any():
        return f"there is NaN in the result. {otherwise}"
    return otherwise


def _instead(value: object) -> str:
    return "None: does it end with a return?" if value is None else f"what Python calls {type(value).__name__}"


def _of_another_type(found: torch.dtype, right: torch.dtype) -> str:
    return f"the numbers are right, but of the type {found}, and should be {right}, as what they are computed with"


class _EnoughLinesError(BaseException):
    """So many lines have run that nothing more needs to be known."""


def slow_hint(attempt: Attempt, function: Callable[[], object], what: str, instead: str, most: int = MOST_LINES) -> str:
    """A hint if the call runs more than `most` lines of the attempt's file. They are counted, for a clock tells of the machine, too."""
    lines, before = 0, sys.gettrace()

    def count(frame: FrameType, event: str, argument: object) -> TraceFunction:
        nonlocal lines
        lines += event == "line"
        if lines > most:
            raise _EnoughLinesError
        return count

    def enter(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        return count if frame.f_code.co_filename == attempt["__file__"] else None

    sys.settrace(enter)
    try:
        with contextlib.suppress(_EnoughLinesError):
            function()
    finally:
        sys.settrace(before)
    slow = f"right, but slow: {what} took more than {most:,} lines of yours, one after the other; {instead}"
    return slow if lines > most else ""


def gradient_hint(function: Callable[..., Tensor], *inputs: Tensor) -> str:
    """A hint unless the gradient that back-propagation finds is the one that small changes show (float64)."""
    doubles = tuple(one.double().requires_grad_() for one in inputs)
    out = function(*doubles)
    if not isinstance(out, Tensor) or not out.requires_grad:
        return (
            "the result has no way back to what it was made of, so nothing can be learned through it: "
            ".detach(), .item(), .data, NumPy and torch.tensor(…) cut the way"
        )
    try:
        torch.autograd.gradcheck(function, doubles, check_undefined_grad=False)
    except RuntimeError:  # torch's GradcheckError is one
        return "its gradient is not what small changes of the inputs show: is something rounded, or computed without the graph?"
    return ""

"""Ctrl-C and other ends: while heavy modules are loaded at once, in the midst of long work with a line, or once folders are removed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

INTERRUPTED = 130  # what a shell expects after Ctrl-C


@contextmanager
def loading() -> Iterator[None]:
    """For the block's imports: some modules swallow a KeyboardInterrupt, and the program would go on as if nothing had been said."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # as for a script's background processes: it is not meant for us
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)  # nothing has been begun yet


@contextmanager
def told_when_stopped(output: Path, kept: str = "") -> Iterator[None]:
    """After Ctrl-C in the block one line says so, and whether `output` was written, a folder that the block writes whole or not at all.
    `kept`: what else there is to know where it was not. The program ends with status 130."""
    try:
        yield
    except KeyboardInterrupt:
        is_written = output.is_dir() and any(output.iterdir())
        print(
            f"groundup: stopped; {output} " + ("is whole" if is_written else f"was not written{kept}"), file=sys.stderr
        )
        raise


@contextmanager
def removed_when_ended() -> Iterator[None]:
    """For work in folders that are thrown away: in the block SIGTERM and a closed terminal unwind it, as Ctrl-C does, where they would end
    the program on the spot and leave the folders."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    heard = {number: handler for number, handler in before.items() if handler is signal.SIG_DFL}  # nohup means others
    for number in heard:
        signal.signal(number, _unwind)
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def _unwind(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the program at once
    raise SystemExit(128 + number)

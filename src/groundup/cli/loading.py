"""Ctrl-C: while heavy modules are loaded it ends the program at once, and in the midst of long work it is answered with a line."""

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

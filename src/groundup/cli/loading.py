"""While heavy modules are loaded, Ctrl-C ends the program at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
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

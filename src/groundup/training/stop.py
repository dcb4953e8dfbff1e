"""Ctrl-C, SIGTERM and a closed terminal ask for a stop; the loop finishes its step, saves, and leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from groundup.training.parallel_settings import is_started_by_torchrun


class StoppedAtOnce(BaseException):
    """A stop was asked for while work was done that can be left; a `BaseException`, so that nothing on the way takes it for a failure."""


class StopRequest:
    """While the block lasts, the first SIGINT, SIGTERM or SIGHUP is noted; a second one ends the program at once, with its own status.

    One that nobody has heeded by the end of the block, since it came in the last step, is raised again for whoever listens outside.
    Where a launcher started this process a second SIGTERM is nothing new: whoever signals them all, as systemd does, signals the launcher
    too, which hands it on.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.heeded = False
        """Whether work has ended for it."""
        self._leaves_at_once = False
        self.previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # Python lets only the main thread listen
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:  # by nohup, or for a script's background process: it means others
                    self.previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        if kind is None and self.received is not None and not self.heeded:
            signal.raise_signal(self.received)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """For work that may take longer than a scheduler waits, and changes nothing: a stop leaves it by `StoppedAtOnce`."""
        self._leaves_at_once = True
        try:
            if self.received is not None:
                raise StoppedAtOnce
            yield
        finally:
            self._leaves_at_once = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received == signal.SIGTERM == number and is_started_by_torchrun():
            return
        if self.received is not None:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.received = signal.Signals(number)
        if self._leaves_at_once:
            raise StoppedAtOnce

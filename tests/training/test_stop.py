"""Which signals ask for a stop, and which end the program at once."""

from __future__ import annotations

import os
import signal

import pytest

from groundup.training.stop import StopRequest

BY_TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BY_TORCHRUN:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("second", "status"),
    [(signal.SIGTERM, "143"), (signal.SIGHUP, "129"), (signal.SIGINT, None)],
)
def test_a_second_signal_ends_the_program_with_its_own_status(
    first: signal.Signals, second: signal.Signals, status: str | None
) -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), first)
        assert stop.received == first
        with pytest.raises(SystemExit if status else KeyboardInterrupt, match=status):
            os.kill(os.getpid(), second)
        stop.heeded = True


@pytest.mark.usefixtures("alone")
def test_a_signal_that_nobody_heeded_is_heard_outside() -> None:
    """It came in the last step: what follows, a long measurement maybe, must not begin as if nothing had been said."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            stop.heeded = True
        assert heard == []
        with StopRequest():
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_launcher_that_hands_on_what_all_were_told_does_not_keep_them_from_saving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in BY_TORCHRUN.items():
        monkeypatch.setenv(name, value)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):  # a person
            os.kill(os.getpid(), signal.SIGINT)
        stop.heeded = True

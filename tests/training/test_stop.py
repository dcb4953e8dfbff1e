"""Which signals ask for a stop, and which end the program at once."""

from __future__ import annotations

import os
import signal

import pytest

from groundup.training.stop import StopRequest

BY_TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_program(second: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BY_TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), second)


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

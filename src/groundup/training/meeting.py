"""How the processes that train together meet: each comes to a store that the first one, or torchrun, holds, and waits until all are there.

Whoever waits says for whom, and gives up after `parallel.meeting_minutes`: nobody tells it of one that died on its way.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable, Sequence

from torch._C._distributed_c10d import PrefixStore, Store, TCPStore
from torch.distributed import DistNetworkError

from groundup.errors import MachineError, SettingError, TrainingError

Say = Callable[[str], None]
TURN = 60.0
"""Seconds from one word about who is missing to the next."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds from one look to the next."""
MOST_NAMED = 5
TRAININGS = itertools.count()


class Waiting:
    """A process that waits for others: it says so now and then, and for so long at most."""

    def __init__(self, rank: int, size: int, minutes: float, say: Say) -> None:
        self.rank, self.size, self.minutes, self.say = rank, size, minutes, say
        self.begun, self.told, self.pause = time.monotonic(), 0, SHORTEST_PAUSE

    def for_these(self, missing: Sequence[int]) -> None:
        """Wait a moment, and say so where it is time to. Raises `TrainingError` where it was long enough."""
        time.sleep(self.pause)
        self.pause = min(2 * self.pause, LONGEST_PAUSE)
        waited, who = time.monotonic() - self.begun, f"process {self.rank} of {self.size}"
        if waited > 60 * self.minutes:
            raise TrainingError(
                f"{who} has waited {self.minutes:g} minutes for {_named(missing)}: look whether all were started, with one MASTER_ADDR "
                "and MASTER_PORT, and what the missing say; then start all again (parallel.meeting_minutes has them wait longer)"
            )
        if waited > TURN * (self.told + 1):
            self.told += 1
            if self.rank == 0 or missing == [0]:  # once the first is there, it speaks for all
                self.say(f"{who} waits for {_named(missing)}: {waited / 60:.0f} of {self.minutes:g} minutes")


def meet(rank: int, size: int, minutes: float, say: Say) -> Store:
    """The store of all processes, once all have come to it. Raises `TrainingError` that names who has not come in time, and `SettingError`
    or `MachineError` where none can come, or where they don't agree how many they are."""
    waiting = Waiting(rank, size, minutes, say)
    # A script may train twice; torchrun's store then still has what was there the first time, under the same names.
    store = PrefixStore(f"training-{next(TRAININGS)}", _common_store(waiting))
    store.set(_place(rank), str(size))
    missing = list(range(size))
    while missing := [other for other in missing if not store.check([_place(other)])]:
        waiting.for_these(missing)
    for other in range(size):
        if (theirs := store.get(_place(other)).decode()) != str(size):
            advice = f"process {other} was given {theirs}: give all of them the same, how many there are in all"
            raise SettingError("WORLD_SIZE", size, advice)
    return store


def _common_store(waiting: Waiting) -> TCPStore:
    """The store at MASTER_ADDR and MASTER_PORT, which torchrun holds, or the first process does. Raises `SettingError` for no port, or an
    address that nobody has, and `MachineError` where another program listens there."""
    host, port = os.environ["MASTER_ADDR"], _port()
    if waiting.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return _own_store(waiting, host, port)
    while not _is_open(host, port):
        waiting.for_these([0])
    return TCPStore(host, port, waiting.size, False, wait_for_workers=False)  # who held it may have just ended


def _own_store(waiting: Waiting, host: str, port: int) -> TCPStore:
    """The store that this process holds for all, and comes to by itself: one that isn't where the others look names them in time."""
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        advice = "no machine is known by that: set it in all processes' environment to the address of the first one's"
        raise SettingError("MASTER_ADDR", host, advice) from error
    try:
        return TCPStore("127.0.0.1", port, waiting.size, True, wait_for_workers=False, multi_tenant=True)
    except DistNetworkError as error:
        raise MachineError(
            f"process {waiting.rank} of {waiting.size} can't listen at port {port} (MASTER_PORT), perhaps since another training does: "
            "give all of them another port"
        ) from error


def _port() -> int:
    given = os.environ.get("MASTER_PORT", "")
    if given.isdecimal() and 0 < int(given) < 2**16:
        return int(given)
    raise SettingError("MASTER_PORT", given, "set it in all processes' environment to one port, from 1 to 65535")


def _is_open(host: str, port: int) -> bool:
    """Whether somebody listens there. PyTorch's store would ask as long as it is told to, and print what it met."""
    try:
        with socket.create_connection((host, port), timeout=LONGEST_PAUSE):
            return True
    except (OSError, UnicodeError):  # a name that is none
        return False


def _place(rank: int) -> str:
    return f"process-{rank}"


def _named(processes: Sequence[int]) -> str:
    """Some processes by their numbers."""
    numbers = ", ".join(str(process) for process in processes[:MOST_NAMED])
    more = f" and {len(processes) - MOST_NAMED} more" if len(processes) > MOST_NAMED else ""
    return f"{'process' if len(processes) == 1 else 'processes'} {numbers}{more}"

"""The processes that train one model together: which of them this one is, and what they do jointly. Usually there is but one.

torchrun starts them and tells each its place by environment variables; `torch.distributed` carries what they say to each other: over
gloo on CPUs, over NCCL between GPUs.
"""

from __future__ import annotations

import gc
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import _set_pg_timeout

from groundup.cores import available_cores
from groundup.device import end_with_parent, pick_device
from groundup.errors import MachineError, PeerLostError, RunError, SettingError
from groundup.training.meeting import Say, meet
from groundup.training.parallel_settings import LAUNCHED, ParallelSettings, is_started_by_torchrun

T = TypeVar("T")
AT_ONCE = 25 * 2**20
"""Bytes that travel in one message, about: long enough to be quick, short enough to be little memory (DDP's buckets are as large)."""
PATIENCE = timedelta(hours=24)
"""How long a process waits for the others once they have met. One that has died is noticed at once; one that validates or saves may take
long."""
LAST_WORDS = 5.0  # seconds


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together: number `rank` of `size`, `local_rank` of the `local_size` on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    cores: int = 0
    """Each process's share of its machine's cores, the smallest of all shares; 0: this machine's, all of them."""

    @property
    def first(self) -> bool:
        """Whether this is the one that writes the run and speaks."""
        return self.rank == 0

    def threads(self, num_threads: int) -> int:
        """CPU threads of this process: as many as asked for, or its share of the cores. The same number in all of them, since batches and
        matrices are dealt out over all threads."""
        return num_threads or self.cores or available_cores()

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes into each of the tensors. The result is the same bits in all of them."""
        for some in _messages(tensors if self.size > 1 else ()):
            flat = torch.cat([tensor.reshape(-1) for tensor in some])
            dist.all_reduce(flat)
            _unpack(flat, some)

    def send(self, tensors: Sequence[Tensor], source: int = 0) -> None:
        """Give all processes the numbers that the tensors have in process `source`."""
        for some in _messages(tensors if self.size > 1 else ()):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in some])
            dist.broadcast(flat, source)
            if self.rank != source:
                _unpack(flat, some)

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers; asked for on the host, whatever the device is busy with."""
        if self.size == 1:
            return number
        every = torch.tensor(number)
        dist.all_reduce(every, dist.ReduceOp.MAX)
        return int(every)

    def smallest(self, number: int) -> int:
        """The smallest of the processes' numbers."""
        return -self.largest(-number)

    def total(self, number: float | None) -> float | None:
        """The sum of the processes' numbers; None if one of them has none."""
        if self.size == 1:
            return number
        every = torch.tensor(float("nan") if number is None else number, dtype=torch.float64)
        dist.all_reduce(every)
        return None if every.isnan() else float(every)

    def once(self, function: Callable[[], T]) -> T:
        """What `function` gives in the first process, told to all; the others wait. It must be plain values, as JSON has them."""
        if self.size == 1:
            return function()
        message = list(json.dumps(function()).encode()) if self.first else []
        length = torch.tensor(len(message))
        dist.broadcast(length, 0)
        told = torch.tensor(message, dtype=torch.uint8) if self.first else torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(told, 0)
        value: T = json.loads(bytes(told.tolist()))
        return value

    def one_before_the_others(self, function: Callable[[], T]) -> T:
        """What `function` gives: called by the first process, then by one of each machine, then by the rest, so that what it leaves in a
        cache is found there, whether machines share it or not."""
        turn = 0 if self.first else 1 if self.local_rank == 0 else 2
        for _ in range(turn):
            self.wait()
        result = function()
        for _ in range(turn, 2):
            self.wait()
        return result

    def rows_of(self, whole: Tensor) -> Tensor:
        """The rows that this process has of a tensor that is dealt out, as a view; maybe none. A number is everybody's."""
        if not whole.ndim:
            return whole
        each = -(-whole.shape[0] // self.size)  # the last ones may have fewer
        return whole[self.rank * each : (self.rank + 1) * each]

    def gather_rows(self, rows: Tensor, height: int) -> Tensor:
        """The whole tensor of `height` rows, in every process, from each one's."""
        each = -(-height // self.size)
        padded = rows.new_zeros((each, *rows.shape[1:]))  # all messages are of one length
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return torch.cat(parts)[:height]

    def wait(self) -> None:
        """Until all processes are here."""
        self.largest(0)

    def part(self) -> None:
        """Until all are done. The first, which does the last things, doesn't miss one that is lost by then."""
        try:
            self.wait()
        except RuntimeError as error:
            if not (self.first and is_lost_peer(error)):
                raise

    def require_same(self, what: str, value: str) -> None:
        """Raise `RunError` in all processes if `value` isn't the same in all."""
        wrong = self.largest(self.rank if self.once(lambda: value) != value else 0)
        if wrong:
            raise RunError(
                f"{what} in process {wrong} is not that of process 0: give all machines the same files, recipe and version of Groundup, "
                "and set training.device and training.precision where their processors differ"
            )


ALONE = Ranks()


def _messages(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in lists of about `AT_ONCE` bytes."""
    some: list[Tensor] = []
    size = 0
    for tensor in tensors:
        some.append(tensor)
        size += tensor.nbytes
        if size >= AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


@torch.no_grad()
def _unpack(flat: Tensor, tensors: list[Tensor]) -> None:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    torch._foreach_copy_(tensors, [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)])


@contextmanager
def joined(
    settings: ParallelSettings, device_name: str = "auto", say: Say = print
) -> Iterator[tuple[Ranks, torch.device]]:
    """While the block lasts, this process is one of those that train together; its place among them, and its device.

    Raises `SettingError` where the recipe and the way it was started don't fit, `MachineError` where there are fewer GPUs than
    processes or NCCL can't connect them, `TrainingError` where not all have come in time, and `PeerLostError` when another process
    ends, after that one had time to say why.
    """
    started = is_started_by_torchrun()
    ranks = _own_place() if started else ALONE
    rank, size = ranks.rank, ranks.size
    if settings.strategy == "single":
        if size > 1:
            raise SettingError(
                "parallel.strategy",
                settings.strategy,
                f"torchrun started {size} processes, each of which would train a model by itself: set parallel.strategy=ddp or fsdp",
            )
        yield ALONE, pick_device(device_name)
        return
    if not started:
        raise SettingError(
            "parallel.strategy",
            settings.strategy,
            "it takes several processes, which `groundup train` or torchrun starts: use one of them",
        )
    if LAUNCHED in os.environ and not end_with_parent(int(os.environ[LAUNCHED])):
        raise PeerLostError("the command that started this process has ended; go on with --resume")
    device = _own_device(device_name, ranks)
    if not ranks.first:
        warnings.simplefilter("ignore")  # the first says the same
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            store=meet(rank, size, settings.meeting_minutes, say),
            rank=rank,
            world_size=size,
            timeout=timedelta(minutes=settings.meeting_minutes),  # one may end while they connect
        )
        _set_pg_timeout(PATIENCE)
        share = max(1, available_cores() // ranks.local_size)
        yield replace(ranks, cores=ranks.smallest(share)), device
    except RuntimeError as error:
        if (why := trouble_of_nccl(error)) and not is_lost_peer(error):
            raise MachineError(
                f"the GPUs can't exchange what they compute: NCCL says: {why}; NCCL_DEBUG=INFO in the environment tells more (in a "
                "container /dev/shm is often too small: start it with --shm-size=1g or --ipc=host)"
            ) from error
        if not is_lost_peer(error):
            raise
        time.sleep(LAST_WORDS)
        raise PeerLostError(
            f"process {rank} of {size} stopped, since another one has ended; that one says why: mend it, then go on with --resume"
        ) from error
    finally:
        if dist.is_initialized():
            gc.collect()  # FSDP leaves circles that hold the connections, so that others would wait for one that goes on without them
            dist.destroy_process_group()


def _own_place() -> Ranks:
    """Where this process stands among those that torchrun started, by its environment. Raises `SettingError` for numbers of no place."""
    size, local_size = _told("WORLD_SIZE", "1", least=1), _told("LOCAL_WORLD_SIZE", "1", least=1)
    rank, local_rank = _told("RANK", "0", least=0), _told("LOCAL_RANK", "0", least=0)
    if rank >= size and "WORLD_SIZE" not in os.environ:
        raise SettingError(
            "WORLD_SIZE", "", f"set it to the number of all processes: there are several, since RANK is {rank}"
        )
    if rank >= size:
        raise SettingError(
            "RANK", rank, f"give each process one of its own, from 0 to {size - 1}: WORLD_SIZE is {size}"
        )
    return Ranks(rank, size, local_rank, local_size)


def _told(name: str, usual: str, least: int) -> int:
    given = os.environ.get(name, usual)
    if given.isdecimal() and int(given) >= least:
        return int(given)
    raise SettingError(name, given, f"set it in each process's environment to a whole number of at least {least}")


def _own_device(name: str, ranks: Ranks) -> torch.device:
    device = pick_device(name)
    if device.type == "mps":
        raise SettingError(
            "training.device", name, "use cpu or cuda with several processes, which Apple's GPU can't join"
        )
    if device.type != "cuda":
        return device
    if ranks.local_rank >= torch.cuda.device_count():
        raise MachineError(
            f"this machine has {torch.cuda.device_count()} GPUs and {ranks.local_size} processes: start as many as there are GPUs "
            "(parallel.processes, or torchrun's --nproc-per-node), or set training.device=cpu"
        )
    torch.cuda.set_device(ranks.local_rank)
    return torch.device("cuda", ranks.local_rank)


def is_lost_peer(error: RuntimeError) -> bool:
    """Whether a process ended while this one was waiting for it. gloo says so by plain `RuntimeError`s; NCCL has an error of that name, but
    by some ways it arrives as another one, which says what became of a connection."""
    text = str(error)
    if trouble_of_nccl(error):
        return any(word in text for word in ("ncclRemoteError", "by remote peer", "reset by peer", "Broken pipe"))
    return isinstance(error, dist.DistError) or "gloo" in text or "onnection closed by peer" in text


def trouble_of_nccl(error: RuntimeError) -> str:
    """What NCCL, through which cards talk to each other, says of its error: the last cause that it names; empty for another's error."""
    text = str(error)
    if not (isinstance(error, dist.DistBackendError) and text.startswith("NCCL error")):
        return ""
    kind, _, cause = text.partition("Last error:")
    said = (cause.strip() or kind.strip().splitlines()[-1]).splitlines()
    return said[0].strip()

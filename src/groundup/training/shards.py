"""One batch on several CPU threads: each takes some of its rows through the whole network, forward and back.

PyTorch's usual way is to split every operation over the threads and to wait for the slowest after each. A small network's
operations are so short that the waiting costs as much as they do. Here the threads meet once a step, when their
gradients are summed, in a fixed order: the result follows from the number of threads, not from their timing.

Meanwhile PyTorch's own threads must rest: after an operation that was split they spin, waiting for the next one, on the cores
that the others need (a seventh of a step, docs/log.md). So while steps are taken no operation is split, unless there are more
threads than rows.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

import torch
from torch import Tensor, nn

from groundup.device import begin_thread, default_generator
from groundup.model.dropout import Dropout
from groundup.model.transformer import Transformer
from groundup.training.optimizers import trainable
from groundup.training.ranks import ALONE, Ranks
from groundup.training.settings import TrainingSettings

T = TypeVar("T")
R = TypeVar("R")
Backward = Callable[[nn.Module, Tensor], Tensor]
"""Adds the gradient of some rows' loss to the network's; gives that loss, or it and figures beside it, without the graph."""


def num_shards(settings: TrainingSettings, device: torch.device, num_threads: int, num_processes: int = 1) -> int:
    """How many threads of a process take a part of each batch: on a CPU all of them, but no more than there are rows.

    One for a compiled network.
    """
    if device.type != "cpu" or settings.compile:
        return 1
    rows = settings.batch_size // settings.accumulation_steps
    return min(num_threads, -(-rows // num_processes))


class Shards:
    """Threads with a network each, all of which share the model's weights; the caller's thread is the first of them.

    What is shared are the weights' numbers, not their gradients, so no two threads write to the same memory; each has a
    generator of its own for dropout. The first network is the model itself, so the sum ends up in its `grad`s. A single
    shard needs no further thread: it runs `network`, which may be the model compiled. As a context it ends the threads.
    Where several processes train together, each has as many shards, and all of them are counted through: what a shard reads and
    draws follows from its number among them all.
    """

    def __init__(
        self, model: Transformer, network: nn.Module, num_shards: int, num_threads: int, ranks: Ranks = ALONE
    ) -> None:
        self.model = model
        twins = [same_weights(model) for _ in range(num_shards - 1)]
        self.networks = [network, *twins]
        self.parameters = [trainable(one) for one in (model, *twins)]
        self.generators = [torch.Generator() for _ in self.networks]
        device = next(model.parameters()).device
        # `torch.manual_seed` seeds every device, and formats a stack trace for each that isn't in use.
        self.default_generator = default_generator(device)
        if device.type == "cpu" and network is model:
            for one, generator in zip((model, *twins), self.generators, strict=True):
                _draw_from(one, generator)
        self.num_everywhere, self.first_place = num_shards * ranks.size, num_shards * ranks.rank
        self.threads_each = max(1, num_threads // num_shards)
        self.threads_at_rest = num_threads * ranks.local_size if ranks.first else num_threads
        self.pool = (
            ThreadPoolExecutor(num_shards - 1, "shard", begin_thread, (self.threads_each,)) if num_shards > 1 else None
        )

    def __enter__(self) -> Shards:
        torch.set_num_threads(self.threads_each)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pool is not None:
            self.pool.shutdown()
        torch.set_num_threads(self.threads_at_rest)
        _draw_from(self.model, None)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Meanwhile PyTorch splits the caller's operations over all threads, as outside of training; where there are several processes,
        the first one's over those of the others, too, which wait for it."""
        torch.set_num_threads(self.threads_at_rest)
        try:
            yield
        finally:
            torch.set_num_threads(self.threads_each)

    def each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`function` of every item, as `map`, each in a thread of its own; no more items than threads."""
        if self.pool is None:
            return [function(item) for item in items]
        others = [self.pool.submit(function, item) for item in items[1:]]
        try:
            first = [function(item) for item in items[:1]]
        finally:
            wait(others)  # none may go on writing when the caller has an error
        return first + [other.result() for other in others]

    def seed(self, text: str) -> None:
        """Let all that is drawn next, by dropout, follow from this text alone."""
        seeds = [step_seed(f"{text}:{self.first_place + place}") for place in range(len(self.networks))]
        self.default_generator.manual_seed(seeds[0])  # for what draws from none of ours
        for generator, own_seed in zip(self.generators, seeds, strict=True):
            generator.manual_seed(own_seed)

    def run(self, backward: Backward, rows: Tensor) -> Tensor:
        """Add the gradient of this process's share of `rows` (B, …) to the model's; the sum of what `backward` gives."""
        own = slice(self.first_place, self.first_place + len(self.networks))
        for parameters in self.parameters[1:]:
            for parameter in parameters:
                parameter.grad = None
        parts = list(zip(self.networks, rows.tensor_split(self.num_everywhere)[own], strict=True))
        sums = self.each(lambda part: backward(*part), parts)
        total = [parameter.grad for parameter in self.parameters[0] if parameter.grad is not None]
        for parameters in self.parameters[1:]:
            torch._foreach_add_(total, [parameter.grad for parameter in parameters if parameter.grad is not None])
        return torch.stack(sums).sum(dim=0)


def step_seed(text: str) -> int:
    """The seed that a text such as `seed:step:part` stands for."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def same_weights(model: Transformer) -> Transformer:
    """Another network whose parameters are the same memory, with gradients of their own; frozen ones are the same tensors."""
    alias: dict[int, object] = {id(p): nn.Parameter(p.detach()) if p.requires_grad else p for p in model.parameters()}
    alias |= {id(buffer): buffer for buffer in model.buffers()}
    return copy.deepcopy(model, alias).train()


def _draw_from(model: Transformer, generator: torch.Generator | None) -> None:
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator

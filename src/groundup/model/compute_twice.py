"""Activation checkpointing: what a block computes inside is forgotten, and computed again on the way back (Chen et al. 2016, §4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def compute_twice(block: nn.Module, generator: torch.Generator | None, *arguments: Any) -> Tensor:
    """`block` of the arguments; of what it computes only its input and its result are kept. The second time its dropout is the first's.

    `generator` is what its dropout draws from: None for PyTorch's own, which `checkpoint` sets back by itself. That would be all
    threads' at once, so threads that train side by side each have one of their own.
    """
    if generator is None:
        return checkpoint(block, *arguments, use_reentrant=False)  # type: ignore[no-any-return]
    contexts = partial(_now_and_again, generator)
    return checkpoint(block, *arguments, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)  # type: ignore[no-any-return]


def _now_and_again(generator: torch.Generator) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What surrounds the block the first time, and the second."""
    return nullcontext(), _set_back(generator, generator.get_state())


@contextmanager
def _set_back(generator: torch.Generator, state: Tensor) -> Iterator[None]:
    now = generator.get_state()
    generator.set_state(state)
    try:
        yield
    finally:
        generator.set_state(now)

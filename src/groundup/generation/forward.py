"""The network's pass as the engine calls it: a function that can be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from groundup.generation.next_token import NextToken
from groundup.model.transformer import KVCache, Transformer

Forward = Callable[[Tensor, KVCache], Tensor]
"""Reads ids (B, T) into the B rows of a cache, whose lengths grow by T; gives the logits (B, V) after the last of them."""


def last_logits(model: Transformer) -> Forward:
    """The network's own pass, with logits for the last token alone; for one token a row in its quicker form."""
    next_token: NextToken | None = None

    def forward(ids: Tensor, cache: KVCache) -> Tensor:
        nonlocal next_token
        if ids.shape[1] == 1 and NextToken.can_read(model):
            next_token = next_token or NextToken(model)
            return next_token(ids[:, 0], cache)
        return model.logits(model.hidden_states(ids, cache=cache)[:, -1])

    return forward


@contextmanager
def evaluating(model: Transformer) -> Iterator[None]:
    """Without gradients and without dropout; a model that was training goes on training after."""
    training = model.training
    if training:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if training:
            model.train()


@contextmanager
def threads_at_rest(forward: Forward) -> Iterator[None]:
    """Meanwhile PyTorch splits no operation over threads, if the pass has threads of its own (`own_threads`).

    After an operation that was split PyTorch's threads spin, waiting for the next one, on the cores that the others need: half of
    the tokens a second (docs/log.md).
    """
    if not getattr(forward, "own_threads", False):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

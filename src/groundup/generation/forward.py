"""The network's pass as the engine calls it: a function that can be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from groundup.model.transformer import KVCache, Transformer

Forward = Callable[[Tensor, KVCache], Tensor]
"""Reads ids (B, T) into the B rows of a cache, whose lengths grow by T; gives the logits (B, V) after the last of them."""


def last_logits(model: Transformer) -> Forward:
    """The network's own pass, with logits for the last token alone."""

    def forward(ids: Tensor, cache: KVCache) -> Tensor:
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

"""Attention whose probabilities pass through dropout, for threads that draw from generators of their own.

PyTorch's fused kernel draws from its own generator, and plain operations each keep what their gradients need: of the probabilities
alone three matrices, and copies of query and key. Here the probabilities and what was drawn are kept, one and a half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from groundup.model.dropout import Dropout

QUERIES_AT_ONCE = 64  # of long texts, few enough that most of what lies after them is never computed


def attention_with_dropout(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: Dropout) -> Tensor:
    """Attention (B, H, T, K) whose probabilities pass through `dropout`; arguments as PyTorch's SDPA takes them.

    Without a mask it is causal, T = S. Block by block of queries, each against the keys that it may see.
    """
    inputs, device = (query, key, value), query.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        inputs = (query.to(dtype), key.to(dtype), value.to(dtype))
    with torch.autocast(device, enabled=False):
        return _Attention.apply(*inputs, mask, dropout)  # type: ignore[no-any-return,no-untyped-call]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: Dropout) -> Tensor:
        mixed, saved = _by_tokens(query), []
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()  # or each product copies them
        for rows, seen in _blocks(query, key, mask):
            probabilities = dropped = _probabilities(query, key, mask, rows, seen)
            saved.append(probabilities)
            if dropout.on:
                draws = dropout.draws(probabilities.shape, query.device)
                dropped = probabilities * dropout.factors(draws)
                saved.append(draws)
            mixed[:, :, rows] = dropped.to(value.dtype) @ value[:, :, seen]
        ctx.save_for_backward(query, key, value, mask, *saved)
        ctx.dropout, ctx.on = dropout, dropout.on
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mixed: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, *saved = ctx.saved_tensors
        scale, kept, of_mixed = query.shape[3] ** -0.5, iter(saved), of_mixed.contiguous()
        of_query, of_key, of_value = _by_tokens(query), _by_tokens(key).zero_(), _by_tokens(value).zero_()
        for rows, seen in _blocks(query, key, mask):
            probabilities = dropped = next(kept)
            of_probabilities = (of_mixed[:, :, rows] @ value[:, :, seen].mT).to(probabilities.dtype)
            if ctx.on:
                factors = ctx.dropout.factors(next(kept))
                dropped, of_probabilities = probabilities * factors, of_probabilities.mul_(factors)
            of_value[:, :, seen] += dropped.to(value.dtype).mT @ of_mixed[:, :, rows]
            of_scores = torch._softmax_backward_data(of_probabilities, probabilities, -1, probabilities.dtype)
            of_scores = of_scores.to(query.dtype)  # (B, H, Q, S)
            of_query[:, :, rows] = (of_scores @ key[:, :, seen]).mul_(scale)
            of_key[:, :, seen] += of_scores.mT @ (query[:, :, rows] * scale)
        return of_query, of_key, of_value, None, None


def _by_tokens(like: Tensor) -> Tensor:
    """Room for heads (B, H, T, K) that lie as the layers before and after have them, token by token."""
    B, H, T, K = like.shape
    return like.new_empty(B, T, H, K).transpose(1, 2)


def _blocks(query: Tensor, key: Tensor, mask: Tensor | None) -> Iterator[tuple[slice, slice]]:
    """Some queries at a time, and the keys that they may see."""
    T, S = query.shape[2], key.shape[2]
    for start in range(0, T, QUERIES_AT_ONCE):
        end = min(start + QUERIES_AT_ONCE, T)
        yield slice(start, end), slice(0, end if mask is None else S)


def _probabilities(query: Tensor, key: Tensor, mask: Tensor | None, rows: slice, seen: slice) -> Tensor:
    """softmax(Q Kᵀ / √K) of a block (B, H, Q, S), in fp32 or more."""
    scores = (query[:, :, rows] * query.shape[3] ** -0.5) @ key[:, :, seen].mT
    if mask is None:  # of the keys before the block all are seen
        own = scores[:, :, :, rows]
        own.masked_fill_(torch.ones(own.shape[2:], dtype=torch.bool, device=own.device).triu(1), -math.inf)
    else:
        scores.masked_fill_(~mask[:, :, rows], -math.inf)
    full = torch.promote_types(scores.dtype, torch.float32)
    probabilities: Tensor = scores.softmax(dim=-1, dtype=full)
    return probabilities

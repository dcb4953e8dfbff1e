"""The cross-entropy of tokens from hidden states, without the logits of all of them at once.

A vocabulary of 50,000 makes the logits of a batch, and their gradient, the largest thing in training. Both are needed only for
a moment: a token's loss and its gradient with respect to its hidden state follow from its own logits. So here a few
tokens at a time pass through the output projection, and what takes memory is gone before the next.

Shapes: N tokens, D model, V vocabulary.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from groundup.training.objectives.token_loss_on_a_gpu import Gradients, Wanted, on_a_gpu

LOGITS_AT_ONCE = 2**24
"""How many numbers of logits there may be at a time: few enough to be little memory, 64 MB, and enough for a fast product."""


def cross_entropy_sum(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """-Σ log softmax(h Wᵀ + b)[target], in nats, over hidden states (N, D) with the projection (V, D) and their targets (N).

    What `F.cross_entropy` gives of all logits, to rounding, and so are the gradients, of those arguments that want one. They are
    computed on the way there, so the way back can be gone once. Under autocast the products are in its format, the softmax in fp32.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    return _CrossEntropySum.apply(hidden, weight, bias, targets, dtype, torch.is_grad_enabled())  # type: ignore[no-any-return,no-untyped-call]


class _Rooms(threading.local):
    """The memory that a thread's logits are in, kept from one step to the next.

    A C library finds no second place for a large aligned block where one of the same size was freed (glibc 2.36): what small ones
    have taken beside it meanwhile is missing. Each part's logits would lie where none had lain, and push the peak up.
    """

    room: Tensor | None = None


_rooms = _Rooms()


def _room(num_tokens: int, width: int, dtype: torch.dtype) -> Tensor:
    """Where logits (n, W) may be written; nobody else writes there until the next call in this thread."""
    count = num_tokens * width
    if _rooms.room is None or _rooms.room.dtype != dtype or _rooms.room.numel() < count:
        with torch.inference_mode(False):  # or it could not be written to in training
            _rooms.room = torch.empty(count, dtype=dtype)
    return _rooms.room[:count].view(num_tokens, width)


def _width(vocab_size: int) -> int:
    """How many places a row of logits takes. The product that writes them is a quarter faster where each row begins at 32 bytes, and
    slower where all begin at a multiple of 4,096, which share a few lines of the cache: so at an odd multiple of 32."""
    return vocab_size + (8 - vocab_size) % 16


class _CrossEntropySum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        dtype: torch.dtype,
        learning: bool,
    ) -> Tensor:
        of_hidden, of_weight, of_bias = (needed and learning for needed in ctx.needs_input_grad[:3])
        wanted = Wanted(of_hidden, of_weight, of_bias)
        with torch.autocast(hidden.device.type, enabled=False):
            if hidden.device.type == "cpu":
                total, ctx.gradients = _on_a_cpu(hidden, weight, bias, targets, dtype, wanted)
            else:
                total, ctx.gradients = on_a_gpu(hidden, weight, bias, targets, dtype, wanted)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_total: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("these gradients were handed out already: cross_entropy_sum has one way back, once")
        return (
            *(None if gradient is None else gradient.mul_(of_total) for gradient in gradients),
            None,
            None,
            None,
        )


def _on_a_cpu(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, dtype: torch.dtype, wanted: Wanted
) -> tuple[Tensor, Gradients]:
    """The summed loss and the gradients that are wanted, the products in `dtype`."""
    full = torch.promote_types(hidden.dtype, torch.float32)
    of_hidden, of_weight, of_bias = (
        torch.zeros_like(argument) if argument is not None and needed else None
        for argument, needed in zip((hidden, weight, bias), wanted, strict=True)
    )
    total = torch.zeros((), dtype=full)
    narrow_weight = weight.to(dtype)
    for some in _slices(len(hidden), len(weight)):
        narrow = hidden[some].to(dtype)
        loss, scores = _loss_and_gradient(narrow, narrow_weight, bias, targets[some], full)
        total += loss
        if of_bias is not None:
            of_bias += scores.sum(dim=0, dtype=full)
        gradient = scores.to(dtype)
        if of_hidden is not None:
            of_hidden[some] = gradient @ narrow_weight
        if of_weight is not None and dtype == of_weight.dtype:
            of_weight.addmm_(gradient.t(), narrow)
        elif of_weight is not None:
            of_weight += gradient.t() @ narrow
    return total, (of_hidden, of_weight, of_bias)


def _slices(num_tokens: int, vocab_size: int) -> Iterator[slice]:
    """Equal parts of the tokens, as few as keep each one's logits below the limit."""
    parts = -(-num_tokens * vocab_size // LOGITS_AT_ONCE)
    bounds = [num_tokens * part // max(1, parts) for part in range(parts + 1)]
    yield from (slice(start, end) for start, end in pairwise(bounds) if end > start)


def _loss_and_gradient(
    narrow: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, full: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The loss of some tokens, and its gradient with respect to their logits (n, V), in full precision."""
    rows = _room(len(narrow), _width(len(weight)), full)
    scores = rows[:, : len(weight)]
    rows[:, len(weight) :] = -math.inf  # a place beyond the vocabulary is never the next token
    if narrow.dtype == full:
        torch.mm(narrow, weight.t(), out=scores)
    else:
        scores.copy_(narrow @ weight.t())
    if bias is not None:
        scores += bias
    return _loss_of_scores(rows, targets), scores


def _loss_of_scores(scores: Tensor, targets: Tensor) -> Tensor:
    """The loss of some tokens' logits (n, W), which are changed in place to their gradient: the probabilities, less 1 at the target."""
    logs = torch.log_softmax(scores, dim=-1, out=scores)  # on a CPU the result may take the scores' place
    of_targets = logs.gather(1, targets[:, None])  # (n, 1)
    torch.exp(logs, out=scores).scatter_add_(1, targets[:, None], torch.full_like(of_targets, -1.0))
    return -of_targets.sum()

"""The cross-entropy of tokens from hidden states, without the logits of all of them at once.

A vocabulary of 50,000 makes the logits of a batch, and their gradient, the largest thing in training. Both are needed only for
a moment: a token's loss and its gradient with respect to its hidden state follow from its own logits. So here a few
tokens at a time pass through the output projection, and what takes memory is gone before the next.

Shapes: N tokens, D model, V vocabulary.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

LOGITS_AT_ONCE = 2**24
"""How many numbers of logits there may be at a time: few enough to be little memory, 64 MB, and enough for a fast product."""
LOGITS_ON_A_GPU = 2**28
"""There a product is fast only of many tokens at once: 0.5 GB in bf16, and 1 GB of their logarithms. Compiled, which writes none of
these, twice as many."""
ALIGNED = 64  # numbers: a GPU's matrix units read rows that begin at such places several times as fast


def cross_entropy_sum(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, compiled: bool = False
) -> Tensor:
    """-Σ log softmax(h Wᵀ + b)[target], in nats, over hidden states (N, D) with the projection (V, D) and their targets (N).

    What `F.cross_entropy` gives of all logits, to rounding, and so are the gradients, of those arguments that want one. They are
    computed on the way there, so the way back can be gone once. Under autocast the products are in its format, the softmax in fp32.
    With `compiled` a GPU's softmax is one kernel, which takes some seconds to make.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    return _CrossEntropySum.apply(hidden, weight, bias, targets, dtype, torch.is_grad_enabled(), compiled)  # type: ignore[no-any-return,no-untyped-call]


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
        compiled: bool,
    ) -> Tensor:
        of_hidden, of_weight, of_bias = (
            torch.zeros_like(argument) if argument is not None and wanted and learning else None
            for argument, wanted in zip((hidden, weight, bias), ctx.needs_input_grad, strict=False)
        )
        full = torch.promote_types(hidden.dtype, torch.float32)
        total = torch.zeros((), dtype=full, device=hidden.device)
        vocab_size, on_cpu = len(weight), hidden.device.type == "cpu"
        at_once = LOGITS_AT_ONCE if on_cpu else LOGITS_ON_A_GPU * (1 + compiled)
        with torch.autocast(hidden.device.type, enabled=False):
            narrow_weight = weight.to(dtype) if on_cpu else _aligned(weight, dtype)
            for some in _slices(len(hidden), vocab_size, at_once):
                narrow = hidden[some].to(dtype)
                if on_cpu:
                    loss, scores = _on_a_cpu(narrow, narrow_weight, bias, targets[some], full)
                else:
                    scores = _scores_on_a_gpu(narrow, narrow_weight, bias, vocab_size)
                    loss, scores = (_compiled() if compiled else _loss_and_gradient)(scores, targets[some])
                total += loss
                if of_bias is not None:
                    of_bias += scores[:, :vocab_size].sum(dim=0, dtype=full)
                gradient = scores.to(dtype)
                if of_hidden is not None:
                    of_hidden[some] = gradient @ narrow_weight
                if of_weight is not None and narrow_weight.dtype == of_weight.dtype and on_cpu:
                    of_weight.addmm_(gradient.t(), narrow)
                elif of_weight is not None:
                    of_weight += (gradient.t() @ narrow)[:vocab_size]
        ctx.gradients = (of_hidden, of_weight, of_bias)
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
            None,
        )


def _slices(num_tokens: int, vocab_size: int, at_once: int) -> Iterator[slice]:
    """Equal parts of the tokens, as few as keep each one's logits below the limit."""
    parts = -(-num_tokens * vocab_size // at_once)
    bounds = [num_tokens * part // max(1, parts) for part in range(parts + 1)]
    yield from (slice(start, end) for start, end in pairwise(bounds) if end > start)


def _on_a_cpu(
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


def _aligned(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The projection (V, D) in another format, with rows of zeros behind it up to a multiple of `ALIGNED`."""
    return F.pad(weight.to(dtype), (0, 0, 0, -len(weight) % ALIGNED))


def _scores_on_a_gpu(narrow: Tensor, weight: Tensor, bias: Tensor | None, vocab_size: int) -> Tensor:
    """Logits (n, W) in the format of the products: a GPU waits for its memory here, so none of four bytes are written."""
    scores = narrow @ weight.t()
    scores[:, vocab_size:] = -math.inf  # a place beyond the vocabulary is never the next token
    if bias is not None:
        scores[:, :vocab_size] += bias
    return scores


def _loss_and_gradient(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Of logits (n, W) and targets (n): the summed loss, and the probabilities less 1 at the target, rounded after that."""
    logs = torch.log_softmax(scores, dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32))
    of_targets = logs.gather(1, targets[:, None])  # (n, 1)
    gradient = torch.exp(logs, out=scores)
    return -of_targets.sum(), gradient.scatter_(1, targets[:, None], (of_targets.exp() - 1).to(scores.dtype))


def _loss_and_gradient_at_once(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The same with a comparison in each place, which is much by itself and nothing within one kernel."""
    logs = torch.log_softmax(scores, dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32))
    is_target = torch.arange(scores.shape[1], device=scores.device) == targets[:, None]  # (n, W)
    return -logs.gather(1, targets[:, None]).sum(), (logs.exp() - is_target.to(logs.dtype)).to(scores.dtype)


@cache
def _compiled() -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return torch.compile(_loss_and_gradient_at_once)

"""The cross-entropy of tokens from hidden states on a GPU, where a step waits for its memory, and products are fast only of many tokens.

So there are as many logits at a time as there is room for, in the format of the products, and their gradient takes their place.

Shapes: N tokens, n of them, D model, V vocabulary, W the same filled up to whole lines of memory.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOGITS_ON_A_GPU = 2**30
"""How many numbers of logits there may be at a time, of two bytes each: 2 GB; of four bytes half as many."""
LOGARITHMS = 2**27
"""How many of them are in fp32 at a time, where there is no kernel that keeps them to itself: 0.5 GB."""
ALIGNED = 64  # numbers: a GPU's matrix units read rows that begin at such places several times as fast
LossInPlace = Callable[[Tensor, Tensor], Tensor]


class Wanted(NamedTuple):
    """Of which arguments the gradient is asked for."""

    hidden: bool
    weight: bool
    bias: bool


Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Those of hidden states, projection and bias."""


def on_a_gpu(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    dtype: torch.dtype,
    wanted: Wanted,
) -> tuple[Tensor, Gradients]:
    """-Σ log softmax(h Wᵀ + b)[target] of hidden states (N, D), a projection (V, D) and targets (N), its products in `dtype`, and the
    gradients that are `wanted`."""
    full = torch.promote_types(hidden.dtype, torch.float32)
    total = torch.zeros((), dtype=full, device=hidden.device)
    of_hidden = torch.empty_like(hidden) if wanted.hidden else None
    of_weight = torch.zeros_like(weight) if wanted.weight and not len(hidden) else None
    of_bias = torch.zeros_like(bias) if bias is not None and wanted.bias else None
    narrow, narrow_weight = hidden.to(dtype), aligned(weight, dtype)
    loss_of, width = loss_by(hidden.device, dtype), len(narrow_weight)
    for some in slices(len(hidden), 2 * LOGITS_ON_A_GPU // (width * dtype.itemsize)):
        scores = scores_of(narrow[some], narrow_weight, bias, len(weight))
        total += loss_of(scores, targets[some])
        # What were logits is their gradient now.
        if of_hidden is not None:
            of_hidden[some] = scores @ narrow_weight
        if wanted.weight:
            # No name for a part's own: it would stand beside the next part's.
            of_weight = sum_of(of_weight, product(scores.t(), narrow[some], weight.dtype)[: len(weight)])
        if of_bias is not None:
            of_bias += scores[:, : len(weight)].sum(dim=0, dtype=full)
        del scores  # before there are the next ones
    return total, (of_hidden, of_weight, of_bias)


def slices(count: int, most: int) -> Iterator[slice]:
    """Equal consecutive parts, as few as hold at most so many each, or one."""
    parts = -(-count // max(1, most))
    size = -(-count // max(1, parts))
    yield from (slice(start, min(count, start + size)) for start in range(0, count, max(1, size)))


def product(a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
    """a @ b written in `dtype`; NVIDIA's cards sum in fp32 in any case, so nothing needs to be rounded in between."""
    if a.dtype != dtype and a.is_cuda and torch.version.cuda is not None:
        return torch.mm(a, b, out_dtype=dtype)
    return (a @ b).to(dtype)


def sum_of(total: Tensor | None, part: Tensor) -> Tensor:
    """A part added to what there is, in its place."""
    return part if total is None else total.add_(part)


def aligned(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The projection (V, D) in another format, with rows of zeros behind it up to a multiple of `ALIGNED`: (W, D)."""
    missing = -len(weight) % ALIGNED
    return F.pad(weight.to(dtype), (0, 0, 0, missing)) if missing else weight.to(dtype)


def scores_of(narrow: Tensor, weight: Tensor, bias: Tensor | None, vocab_size: int) -> Tensor:
    """Logits (n, W) of hidden states (n, D)."""
    scores = narrow @ weight.t()
    scores[:, vocab_size:] = -math.inf  # a place beyond the vocabulary is never the next token
    if bias is not None:
        scores[:, :vocab_size] += bias
    return scores


def loss_by(device: torch.device, dtype: torch.dtype) -> LossInPlace:
    """How the loss is computed there: by one kernel where Triton works, which PyTorch for CUDA brings along on Linux; fp64 plainly."""
    return _by_kernel() if device.type == "cuda" and dtype != torch.float64 and find_spec("triton") else loss_in_place


@cache
def _by_kernel() -> LossInPlace:
    return where_it_works(_kernel, torch.device("cuda"))


def _kernel(scores: Tensor, targets: Tensor) -> Tensor:
    """`loss_in_place` by the kernel, whose module opens Triton: that may fail, too."""
    from groundup.training.objectives import token_loss_kernel

    return token_loss_kernel.loss_in_place(scores, targets)


def where_it_works(kernel: LossInPlace, device: torch.device) -> LossInPlace:
    """The kernel, tried once there; with a warning the plain way where it can't be made: Triton asks for a C compiler and Python's headers,
    which slim machines lack, and knows newer cards only. AdamW's (narrow_weights.py) is not made there either."""
    try:
        kernel(torch.zeros(1, ALIGNED, device=device), torch.zeros(1, dtype=torch.int64, device=device))
    except Exception as error:  # Triton's own, its compiler's, the C compiler's
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        warnings.warn(
            f"steps are taken without kernels of our own, and more slowly: Triton could not make them ({why}); "
            "install a C compiler and Python's headers, on Debian gcc and python3-dev",
            stacklevel=2,
        )
        return loss_in_place
    return kernel


def loss_in_place(scores: Tensor, targets: Tensor) -> Tensor:
    """The summed loss of logits (n, W) and targets (n). The logits become its gradient: the probabilities, less 1 at the target, rounded
    after that."""
    full = torch.promote_types(scores.dtype, torch.float32)
    total = torch.zeros((), dtype=full, device=scores.device)
    for few in slices(len(scores), LOGARITHMS // scores.shape[1]):
        logs = torch.log_softmax(scores[few], dim=-1, dtype=full)
        of_targets = logs.gather(1, targets[few, None])  # (n, 1)
        total -= of_targets.sum()
        less_one = (of_targets.exp() - 1).to(scores.dtype)
        scores[few] = logs.exp_()
        scores[few].scatter_(1, targets[few, None], less_one)
    return total

"""Softmax, loss and gradient of logits in one kernel, written in Triton (Tillet et al. 2019), which comes with PyTorch for CUDA.

Each row of logits is read twice and written once, in its own format, and the second time it is still in the card's cache. As operations
of PyTorch it would be read and written four times, in fp32. `loss_in_place` in token_loss_on_a_gpu.py is the same, plainly.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

LINES, PLACES, WARPS = 4, 2048, 8
"""A row is read in blocks of so many lines of so many places, by so many times 32 threads."""


def loss_in_place(scores: Tensor, targets: Tensor) -> Tensor:
    """The summed loss of logits (n, W) and targets (n), in fp32. The logits become its gradient: the probabilities, less 1 at the target,
    computed in fp32."""
    losses = torch.empty(len(scores), device=scores.device)
    _rows[(len(scores),)](
        scores, targets.contiguous(), losses, scores.stride(0), scores.shape[1], LINES, PLACES, num_warps=WARPS
    )
    return losses.sum()


@triton.jit  # type: ignore[untyped-decorator]
def _rows(scores, targets, losses, stride, width, lines: tl.constexpr, places: tl.constexpr):  # type: ignore[no-untyped-def]
    """One row: the highest score and the sum of exp(score - highest), as they come (Milakov & Gimelshein 2018, algorithm 3), then the
    probabilities."""
    row = tl.program_id(0).to(tl.int64)
    scores += row * stride
    target = tl.load(targets + row)
    of_target = tl.load(scores + target).to(tl.float32)
    block = tl.arange(0, lines)[:, None] * places + tl.arange(0, places)[None, :]
    highest = tl.full((places,), -1e30, tl.float32)  # finite, so that the difference of two of them is no NaN
    sums = tl.zeros((places,), tl.float32)
    for start in range(0, width, lines * places):
        score = tl.load(scores + start + block, start + block < width, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(highest, tl.max(score, 0))
        sums = sums * tl.exp(highest - higher) + tl.sum(tl.exp(score - higher[None, :]), 0)
        highest = higher
    of_row = tl.max(highest, 0)
    total = tl.sum(sums * tl.exp(highest - of_row), 0)
    tl.store(losses + row, tl.log(total) - (of_target - of_row))
    share_of_one = 1.0 / total
    for start in range(0, width, lines * places):
        score = tl.load(scores + start + block, start + block < width, other=0.0).to(tl.float32)
        share = tl.exp(score - of_row) * share_of_one - tl.where(start + block == target, 1.0, 0.0)
        tl.store(scores + start + block, share.to(scores.dtype.element_ty), start + block < width)

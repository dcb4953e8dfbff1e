"""AdamW's update of one matrix in one kernel, written in Triton (Tillet et al. 2019), which comes with PyTorch for CUDA.

Weight and moments are read and written once, a gradient in the products' format is read as it is, and the weight's copy in that format
is written on the way. `update_plainly` in adamw.py is the same, plainly.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from groundup.training.adamw import EPSILON, Matrix
from groundup.training.settings import TrainingSettings

NUMBERS, WARPS = 1024, 4
"""A matrix is updated in pieces of so many numbers, each by so many times 32 threads."""


def update_in_place(matrix: Matrix, rates: Tensor, decay: float, settings: TrainingSettings) -> None:
    """As `update_plainly`, of tensors whose numbers lie one after the other."""
    weight, average, square, gradient, copied = matrix
    _pieces[(triton.cdiv(weight.numel(), NUMBERS),)](
        weight,
        average,
        square,
        gradient.contiguous(),
        gradient if copied is None else copied,
        rates,
        weight.numel(),
        decay,
        1 - settings.beta1,
        1 - settings.beta2,
        EPSILON,
        copied is not None,
        NUMBERS,
        num_warps=WARPS,
    )


@triton.jit  # type: ignore[untyped-decorator]
def _pieces(  # type: ignore[no-untyped-def]
    weights, averages, squares, gradients, copies, rates, count, decay, fresh, fresh_square, epsilon,
    has_copy: tl.constexpr, numbers: tl.constexpr,
):  # fmt: skip
    """One piece, as `update_plainly` updates all."""
    if tl.load(rates) == 0:  # no step that is skipped
        shrink, lr = tl.load(rates + 1), tl.load(rates + 2)
        step_size, root_there = lr / tl.load(rates + 3), tl.load(rates + 4)
        place = tl.program_id(0).to(tl.int64) * numbers + tl.arange(0, numbers)
        there = place < count
        gradient = tl.load(gradients + place, there).to(tl.float32) * shrink
        average, square = tl.load(averages + place, there), tl.load(squares + place, there)
        average = _between(average, gradient, fresh)
        square = _between(square, gradient * gradient, fresh_square)
        moved = step_size * average / (tl.sqrt(square) / root_there + epsilon)
        weight = tl.load(weights + place, there) * (1 - lr * decay) - moved
        tl.store(weights + place, weight, there)
        tl.store(averages + place, average, there)
        tl.store(squares + place, square, there)
        if has_copy:
            tl.store(copies + place, weight.to(copies.dtype.element_ty), there)


@triton.jit
def _between(old, new, share):  # type: ignore[no-untyped-def]
    """From old to new by a share of the way, as `Tensor.lerp_`: from the nearer end, for with `beta2` = 0 a small new one would be lost
    beside what is taken away again."""
    way = new - old
    return tl.where(share < 0.5, old + way * share, new - way * (1 - share))

"""Muon: momentum whose update is orthogonalized, so that all directions of a matrix learn at one speed (Jordan et al. 2024)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from groundup.training.ranks import ALONE, Ranks

# The quintic's coefficients, chosen for a steep start at small singular values (Jordan et al. 2024, "Newton-Schulz iteration").
Quintic = tuple[float, float, float]
QUINTIC: Quintic = (3.4445, -4.7750, 2.0315)
ITERATIONS: Sequence[Quintic] = (QUINTIC,) * 5


def orthogonalize(matrices: Tensor, quintics: Sequence[Quintic] = ITERATIONS) -> Tensor:
    """Bring the singular values of each matrix (N, R, C) near 1 and keep its singular vectors, in the given precision.

    Newton–Schulz: with X scaled to a Frobenius norm of 1, X ← aX + (bA + cA²)X with A = XXᵀ applies aσ + bσ³ + cσ⁵ to every
    singular value σ, once for each (a, b, c) of `quintics`. Products only, so it runs on
    any device; all matrices of one shape go through together.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # (N, R ≤ C, C): the smaller side makes the smaller Gram matrix
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for a, b, c in quintics:
        gram = x @ x.mT  # (N, R, R)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def orthogonalizing_flops(rows: int, columns: int, quintics: Sequence[Quintic] = ITERATIONS) -> int:
    """Operations of the matrix products that orthogonalize a matrix of this shape; a multiply-add counts as two."""
    smaller, larger = sorted((rows, columns))
    return (
        len(quintics) * 2 * smaller**2 * (larger + smaller + larger)
    )  # the Gram matrix, its square, and what they change


@dataclass(frozen=True)
class MatrixBlock:
    """Some rows of a parameter that are a matrix of their own, such as the keys' part of a fused projection."""

    parameter: int  # place in the optimizer's list
    start: int
    end: int
    weights: Tensor  # those rows, as a view


Part = list[list[MatrixBlock]]
"""Matrices, those of one shape together."""
T = TypeVar("T")


class Each(Protocol):
    """Calls a function with every item, perhaps side by side, and returns when all of it is done."""

    def __call__(self, function: Callable[[T], None], items: Sequence[T], /) -> object: ...


def in_turn(function: Callable[[T], None], items: Sequence[T]) -> None:
    """Call it with each item, one after the other."""
    for item in items:
        function(item)


class Muon:
    """Nesterov momentum, orthogonalized matrix by matrix, with decoupled weight decay.

    The same rule as `torch.optim.Muon` (its `adjust_lr_fn="original"`: the step is scaled by √max(1, rows/columns)), but
    batched by shape, and orthogonalized in `product_dtype`, by default the parameters' own. `rows`: for each parameter, the
    heights of the matrices stacked in it. The matrices of each shape are dealt out into `num_parts`, which may be
    orthogonalized side by side; where several processes train together each has so many, and gives the others what it made.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        rows: Sequence[Sequence[int]],
        momentum: float,
        weight_decay: float,
        num_parts: int = 1,
        product_dtype: torch.dtype | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.parameters, self.momentum, self.weight_decay = list(parameters), momentum, weight_decay
        self.product_dtype = product_dtype
        self.quintics = ITERATIONS
        self.buffers = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.deal(rows, num_parts, ranks)

    def deal(self, rows: Sequence[Sequence[int]], num_parts: int, ranks: Ranks) -> None:
        """Decide which part orthogonalizes which matrices."""
        by_shape: dict[tuple[int, int], list[MatrixBlock]] = defaultdict(list)
        for place, (parameter, heights) in enumerate(zip(self.parameters, rows, strict=True)):
            assert parameter.ndim == 2, "Muon is for matrices"
            assert sum(heights) == parameter.shape[0], "the stacked matrices make up the parameter"
            start = 0
            for height in heights:
                by_shape[(height, parameter.shape[1])].append(
                    MatrixBlock(place, start, start + height, parameter.detach()[start : start + height])
                )
                start += height
        parts = num_parts * ranks.size
        dealt = [[blocks[part::parts] for blocks in by_shape.values()] for part in range(parts)]
        self.ranks = ranks
        self.parts_of_ranks = [dealt[rank * num_parts : (rank + 1) * num_parts] for rank in range(ranks.size)]
        self.parts = self.parts_of_ranks[ranks.rank]

    @torch.no_grad()
    def step(self, lr: float | Tensor, skip: Tensor, each: Each = in_turn) -> None:
        """One step. Where the device scalar `skip` is 1, neither weights nor momentum change (no wait for the host)."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        assert len(gradients) == len(self.parameters), "every matrix takes part in the loss"
        if skip.device.type == "cpu" and skip.item():
            return
        moved = torch._foreach_lerp(self.buffers, gradients, 1 - self.momentum)
        updates = torch._foreach_lerp(gradients, moved, self.momentum)  # Nesterov: look one step ahead
        if skip.device.type != "cpu":  # a NaN times 0 is a NaN, so what is skipped is put aside
            skipped = skip > 0
            moved = tuple(torch.where(skipped, *pair) for pair in zip(self.buffers, moved, strict=True))
            updates = tuple(torch.where(skipped, 0.0, update) for update in updates)
        torch._foreach_copy_(self.buffers, moved)
        del moved  # before the stacks, which are as large
        lr_now = lr * (skip == 0)  # a device scalar: 0 where the step is skipped
        torch._foreach_mul_(self.parameters, 1 - lr_now * self.weight_decay)
        self.subtract_all(updates, lr_now, each)

    def subtract_all(self, updates: Sequence[Tensor], lr: Tensor, each: Each) -> None:
        """Orthogonalize the updates and take them, times the learning rate, from the parameters."""
        each(partial(self._subtract, updates, lr), self.parts)
        if self.ranks.size > 1:
            for rank, parts in enumerate(self.parts_of_ranks):
                self.ranks.send([block.weights for part in parts for blocks in part for block in blocks], rank)

    @torch.no_grad()  # which holds for one thread only
    def _subtract(self, updates: Sequence[Tensor], lr: Tensor, part: Part) -> None:
        for blocks in filter(None, part):
            stacked = torch.stack([updates[block.parameter][block.start : block.end] for block in blocks])  # (N, R, C)
            rows, columns = stacked.shape[1:]
            step = orthogonalize(stacked.to(self.product_dtype or stacked.dtype), self.quintics)
            step = step.to(stacked.dtype) * (lr * max(1.0, rows / columns) ** 0.5)
            torch._foreach_sub_([block.weights for block in blocks], list(step))

"""Muon: momentum whose update is orthogonalized, so that all directions of a matrix learn at one speed (Jordan et al. 2024)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# The quintic's coefficients, chosen for a steep start at small singular values (Jordan et al. 2024, "Newton-Schulz iteration").
QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of each matrix (N, R, C) near 1 and keep its singular vectors, in the given precision.

    Newton–Schulz: with X scaled to a Frobenius norm of 1, X ← aX + (bA + cA²)X with A = XXᵀ applies aσ + bσ³ + cσ⁵ to every
    singular value σ. Products only, so it runs on any device; all matrices of one shape go through together.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # (N, R ≤ C, C): the smaller side makes the smaller Gram matrix
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT  # (N, R, R)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


@dataclass(frozen=True)
class MatrixBlock:
    """Some rows of a parameter that are a matrix of their own, such as the keys' part of a fused projection."""

    parameter: int  # place in the optimizer's list
    start: int
    end: int


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalized matrix by matrix, with decoupled weight decay.

    The same rule as `torch.optim.Muon` (its `adjust_lr_fn="original"`: the step is scaled by √max(1, rows/columns)), but in
    the parameters' own precision, and batched by shape. `rows`: for each parameter, the heights of the matrices stacked in it.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        rows: Sequence[Sequence[int]],
        lr: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.blocks: dict[tuple[int, int], list[MatrixBlock]] = defaultdict(list)
        for place, (parameter, heights) in enumerate(zip(parameters, rows, strict=True)):
            assert parameter.ndim == 2, "Muon is for matrices"
            assert sum(heights) == parameter.shape[0], "the stacked matrices make up the parameter"
            start = 0
            for height in heights:
                self.blocks[(height, parameter.shape[1])].append(MatrixBlock(place, start, start + height))
                start += height

    def step(self, closure: None = None, skip: Tensor | None = None) -> None:  # type: ignore[override]
        """One step. Where the device scalar `skip` is 1, neither weights nor momentum change (no wait for the host)."""
        with torch.no_grad():
            self._step(skip)

    def _step(self, skip: Tensor | None) -> None:
        (group,) = self.param_groups
        parameters: list[Tensor] = group["params"]
        lr, momentum = group["lr"], group["momentum"]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        assert len(gradients) == len(parameters), "every matrix takes part in the loss"
        buffers: list[Tensor] = [
            self.state[parameter].setdefault("momentum", torch.zeros_like(parameter)) for parameter in parameters
        ]
        moved = list(torch._foreach_lerp(buffers, gradients, 1 - momentum))
        updates = list(torch._foreach_lerp(gradients, moved, momentum))  # Nesterov: look one step ahead
        decay, step_size = torch.tensor(1 - lr * group["weight_decay"]), torch.tensor(lr)
        if skip is not None:
            moved = [torch.where(skip > 0, old, new) for old, new in zip(buffers, moved, strict=True)]
            updates = [torch.where(skip > 0, 0.0, update) for update in updates]
            decay, step_size = (
                torch.where(skip > 0, keep, value.to(skip.device)) for keep, value in ((1.0, decay), (0.0, step_size))
            )
        torch._foreach_copy_(buffers, moved)
        torch._foreach_mul_(parameters, decay)
        for (rows, columns), blocks in self.blocks.items():
            stacked = torch.stack([updates[block.parameter][block.start : block.end] for block in blocks])  # (N, R, C)
            step = orthogonalize(stacked) * (step_size * max(1.0, rows / columns) ** 0.5)
            for block, change in zip(blocks, step, strict=True):
                parameters[block.parameter][block.start : block.end].sub_(change)

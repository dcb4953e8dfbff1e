"""AdamW (Loshchilov & Hutter 2019, algorithm 2): some parameters with their moments, and how a step updates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from groundup.training.settings import TrainingSettings

EPSILON = 1e-8
FUSED_DEVICES = ("cpu", "cuda")
ADAMW_STATE = ("exp_avg", "exp_avg_sq", "step")


class AdamWGroup:
    """Some parameters with their moments, updated by AdamW (Loshchilov & Hutter 2019, algorithm 2)."""

    def __init__(self, names: list[str], named: Mapping[str, Tensor], weight_decay: float) -> None:
        self.names, self.weight_decay = names, weight_decay
        self.parameters = [named[name] for name in names]
        self.learners: Sequence[Tensor] = self.parameters
        """Whose gradients are read."""
        self.averages = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        # The fused kernels count on the device; the others look at their counters, which belong on the host then.
        devices = [p.device if p.device.type in FUSED_DEVICES else torch.device("cpu") for p in self.parameters]
        self.steps = [torch.zeros((), device=device) for device in devices]

    @torch.no_grad()
    def step(
        self, settings: TrainingSettings, lr: float | Tensor, skip: Tensor | None, divisor: Tensor | None = None
    ) -> None:
        """One step; with `skip` the fused kernels, which leave everything as it was where it is 1. They divide gradients by `divisor`."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if not gradients:
            return
        assert len(gradients) == len(self.parameters), "every parameter takes part in the loss"
        adamw(
            self.parameters,
            gradients,
            self.averages,
            self.squares,
            [],
            self.steps,
            fused=skip is not None,
            foreach=False,
            grad_scale=divisor,
            found_inf=skip,
            amsgrad=False,
            beta1=settings.beta1,
            beta2=settings.beta2,
            lr=lr,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )


class Matrix(NamedTuple):
    """A weight (R, C) and what its update reads and writes."""

    weight: Tensor
    average: Tensor
    square: Tensor
    gradient: Tensor
    copied: Tensor | None
    """The weight in another format, if there is such a copy."""


class MatrixGroup(AdamWGroup):
    """Matrices on a card, each updated by one kernel, with copies of some of them in the products' format (narrow_weights.py).

    Gradients of these come to the copies, in that format, and each update writes them anew.
    """

    def __init__(
        self, names: list[str], named: Mapping[str, Tensor], decays: Sequence[float], narrow: Mapping[str, Tensor]
    ) -> None:
        super().__init__(names, named, weight_decay=0.0)
        self.decays, self.copies = decays, [narrow.get(name) for name in names]
        self.learners = [
            one if copied is None else copied for one, copied in zip(self.parameters, self.copies, strict=True)
        ]

    @torch.no_grad()
    def step(
        self, settings: TrainingSettings, lr: float | Tensor, skip: Tensor | None, shrink: Tensor | None = None
    ) -> None:
        """One step of gradients times `shrink`, without a wait for the host; none where `skip` is 1."""
        assert skip is not None
        assert isinstance(lr, Tensor)
        torch._foreach_add_(self.steps, [1 - skip] * len(self.steps))
        rates = rates_of(self.steps[0], lr, skip, shrink, settings)
        for weight, average, square, learner, copied, decay in zip(
            self.parameters, self.averages, self.squares, self.learners, self.copies, self.decays, strict=True
        ):
            assert learner.grad is not None, "every parameter takes part in the loss"
            update_on_a_card(Matrix(weight, average, square, learner.grad, copied), rates, decay, settings)


def rates_of(step: Tensor, lr: Tensor, skip: Tensor, shrink: Tensor | None, settings: TrainingSettings) -> Tensor:
    """What is the same for all numbers of a step, (5,): whether it is skipped, what gradients are multiplied with, the learning rate, and
    how much of both moments there is by now, of the second its root."""
    counted = step.double()
    there = 1 - settings.beta1**counted, (1 - settings.beta2**counted).sqrt()
    shrunk = torch.ones_like(lr) if shrink is None else shrink
    return torch.stack([skip.double(), shrunk.double(), lr.double(), *there]).float()


def update_on_a_card(matrix: Matrix, rates: Tensor, decay: float, settings: TrainingSettings) -> None:
    """`update_plainly` by its kernel, whose module opens Triton: only PyTorch for CUDA brings it along."""
    from groundup.training.adamw_kernel import update_in_place

    update_in_place(matrix, rates, decay, settings)


def update_plainly(matrix: Matrix, rates: Tensor, decay: float, settings: TrainingSettings) -> None:
    """A matrix after one step of `rates_of` these and with this weight decay, in its place."""
    weight, average, square, gradient, copied = matrix
    skip, shrink, lr, average_there, root_there = rates.unbind()
    if skip == 1:
        return
    gradient = gradient.float() * shrink
    average.lerp_(gradient, 1 - settings.beta1)
    square.lerp_(gradient * gradient, 1 - settings.beta2)
    weight.mul_(1 - lr * decay).sub_(lr / average_there * average / (square.sqrt() / root_there + EPSILON))
    if copied is not None:
        copied.copy_(weight)

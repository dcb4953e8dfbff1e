"""The textbook's loss scale goes the way of PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from groundup.textbook.loss_scale import LossScale


def test_scale_and_weights_are_those_of_grad_scaler() -> None:
    ours, theirs = LossScale(2.0**16, good_steps_to_grow=3), torch.amp.GradScaler("cpu", 2.0**16, growth_interval=3)
    weights = [nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2)]
    optimizers = [torch.optim.SGD([weight], lr=0.1) for weight in weights]
    for gradient in (1.0, 2.0, 3.0, float("inf"), 1.0, float("nan"), 1.0, 1.0, 1.0, 1.0):
        for weight, optimizer, scale in zip(weights, optimizers, (ours.scale, theirs.get_scale()), strict=True):
            optimizer.zero_grad()
            weight.grad = torch.full((2,), gradient) * scale
        assert weights[0].grad is not None
        finite = ours.unscale([weights[0].grad])
        if finite:
            optimizers[0].step()
        ours.update(finite)
        theirs.scale(torch.zeros(()))  # it makes its factor when it is first used
        theirs.step(optimizers[1])
        theirs.update()
        assert ours.scale == theirs.get_scale()
        assert torch.equal(weights[0], weights[1])
    assert ours.scale == 2.0**16  # up once, down twice, up once


@pytest.mark.parametrize(("factor", "kept"), [(1.0, False), (2.0**16, True)])
def test_a_small_gradient_passes_sixteen_bits_only_when_scaled(factor: float, kept: bool) -> None:
    gradient = (torch.tensor([1e-8]) * factor).half().float()
    LossScale(factor).unscale([gradient])
    assert bool(gradient > 0) == kept
    assert not kept or gradient.item() == pytest.approx(1e-8, rel=1e-3)

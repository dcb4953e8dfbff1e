"""Muon against the closed form on singular values, and against PyTorch's own (which rounds to bfloat16)."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from groundup.training.muon import QUINTIC, Muon, orthogonalize, orthogonalizing_flops

TAKE, SKIP = torch.tensor(0.0), torch.tensor(1.0)


@pytest.mark.parametrize("shape", [(3, 12, 20), (2, 20, 12), (1, 8, 8), (2, 1, 6)])
def test_newton_schulz_is_the_quintic_on_singular_values(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    normalized = matrices.double() / matrices.double().norm(dim=(1, 2), keepdim=True)
    left, values, right = torch.linalg.svd(normalized, full_matrices=False)
    a, b, c = QUINTIC
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    torch.testing.assert_close(
        orthogonalize(matrices).double(), left @ torch.diag_embed(values) @ right, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("shape", [(12, 20), (20, 12), (8, 8)])
def test_operations_are_counted_as_pytorch_counts_them(shape: tuple[int, int]) -> None:
    with FlopCounterMode(display=False) as counter:
        orthogonalize(torch.ones(1, *shape))
    assert orthogonalizing_flops(*shape) == counter.get_total_flops()


def test_singular_values_come_near_one() -> None:
    update = orthogonalize(torch.randn(4, 32, 64, generator=torch.Generator().manual_seed(2)))
    values = torch.linalg.svdvals(update)
    assert 0.6 < values.min() <= values.max() < 1.3


def test_a_zero_gradient_gives_no_update() -> None:
    assert torch.equal(orthogonalize(torch.zeros(1, 4, 6)), torch.zeros(1, 4, 6))


@pytest.mark.parametrize(("product_dtype", "digits"), [(None, 0.03), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
def test_steps_equal_torch_within_bfloat16(
    shape: tuple[int, int], product_dtype: torch.dtype | None, digits: float
) -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    optimizer = Muon([ours], [[shape[0]]], momentum=0.95, weight_decay=0.1, product_dtype=product_dtype)
    reference = torch.optim.Muon([theirs], lr=0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn="original")
    for _ in range(5):
        gradient = torch.randn(shape)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(0.02, TAKE)
        reference.step()  # type: ignore[no-untyped-call]
    moved = (theirs - 1).abs().max()
    assert ours.dtype == torch.float32
    assert (ours - theirs).abs().max() < digits * moved, "bfloat16 keeps about two digits"
    torch.testing.assert_close(optimizer.buffers[0], reference.state[theirs]["momentum_buffer"])


def test_stacked_matrices_step_as_if_they_were_apart() -> None:
    torch.manual_seed(0)
    parts = [torch.nn.Parameter(torch.randn(rows, 6)) for rows in (4, 2, 2)]
    stacked = torch.nn.Parameter(torch.cat([part.detach() for part in parts]))
    apart = Muon(parts, [[4], [2], [2]], momentum=0.9, weight_decay=0.01)
    together = Muon([stacked], [[4, 2, 2]], momentum=0.9, weight_decay=0.01)
    for _ in range(3):
        for part in parts:
            part.grad = torch.randn_like(part)
        stacked.grad = torch.cat([part.grad for part in parts if part.grad is not None])
        apart.step(0.1, TAKE)
        together.step(0.1, TAKE)
    torch.testing.assert_close(stacked.detach(), torch.cat([part.detach() for part in parts]), atol=1e-6, rtol=0)


def test_a_skipped_step_changes_nothing_even_for_nan() -> None:
    parameter = torch.nn.Parameter(torch.randn(4, 4))
    optimizer = Muon([parameter], [[4]], momentum=0.9, weight_decay=0.1)
    parameter.grad = torch.randn(4, 4)
    optimizer.step(0.1, TAKE)
    weights, momentum = parameter.detach().clone(), optimizer.buffers[0].clone()
    parameter.grad = torch.full((4, 4), float("nan"))
    optimizer.step(0.1, SKIP)
    assert torch.equal(parameter, weights)
    assert torch.equal(optimizer.buffers[0], momentum)

"""The activation that a card's compiled network has, held to the normal distribution and to PyTorch's own."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from benchmarks.memory.pretended_card import pretended_card

from groundup.model.gelu import NarrowGELU, gelu, gelu_by_sigmoid, gelu_tanh, normal

POINTS = torch.linspace(-12, 12, 100_001, dtype=torch.float64)


def narrow_gelu(x: torch.Tensor) -> torch.Tensor:
    return NarrowGELU.apply(x)  # type: ignore[no-any-return,no-untyped-call]


def test_the_series_is_the_normal_distribution_to_three_ten_millionths() -> None:
    below, density = normal(POINTS.float())
    torch.testing.assert_close(below.double(), torch.special.ndtr(POINTS), rtol=0, atol=3e-7)
    torch.testing.assert_close(
        density.double(), torch.exp(-POINTS.square() / 2) / math.sqrt(2 * math.pi), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_two_bytes_it_is_pytorchs_to_the_last_digit(dtype: torch.dtype) -> None:
    """Of 65,536 numbers that there are, some round the other way."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    every = every[every.isfinite() & (every.abs() < 1e4)]
    mine, theirs = every.clone().requires_grad_(), every.clone().requires_grad_()
    found, expected = narrow_gelu(mine), F.gelu(theirs)
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(found, expected, rtol=unit, atol=2e-6)
    found.sum().backward()  # type: ignore[no-untyped-call]
    expected.sum().backward()  # type: ignore[no-untyped-call]
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=unit, atol=2e-6)
    assert (found == expected).double().mean() > 0.97


def test_the_way_back_is_that_of_the_formula() -> None:
    """Against autograd through PyTorch's function in fp64."""
    x, there = POINTS.clone().requires_grad_(), POINTS.clone().float().requires_grad_()
    weights = torch.sin(POINTS)
    (F.gelu(x) * weights).sum().backward()  # type: ignore[no-untyped-call]
    (narrow_gelu(there) * weights.float()).sum().backward()  # type: ignore[no-untyped-call]
    assert there.grad is not None
    torch.testing.assert_close(there.grad.double(), x.grad, rtol=0, atol=1e-6)


def test_gpt_2s_by_a_sigmoid_is_the_same_function() -> None:
    x = POINTS.float().requires_grad_()
    other = POINTS.float().requires_grad_()
    found, expected = gelu_by_sigmoid(x), F.gelu(other, approximate="tanh")
    torch.testing.assert_close(found, expected, rtol=2e-6, atol=2e-6)
    found.sum().backward()  # type: ignore[no-untyped-call]
    expected.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(x.grad, other.grad, rtol=2e-6, atol=2e-6)


def test_elsewhere_both_are_pytorchs() -> None:
    for x in (POINTS.float(), POINTS.bfloat16()):
        assert torch.equal(gelu(x), F.gelu(x))
        assert torch.equal(gelu_tanh(x), F.gelu(x, approximate="tanh"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_who_compiles_for_a_card_is_given_the_other_forms(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of numbers in two bytes; GPT-2's in any format. What isn't compiled there is PyTorch's."""
    with pretended_card():
        x = torch.zeros(4, dtype=dtype, device="cuda", requires_grad=True)
        names = [type(function(x).grad_fn).__name__ for function in (gelu, gelu_tanh)]
        assert names == ["GeluBackward0", "GeluBackward0"]
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
        names = [type(function(x).grad_fn).__name__ for function in (gelu, gelu_tanh)]
        assert (names[0] == "NarrowGELUBackward") == (dtype != torch.float32)
        assert names[1] != "GeluBackward0"

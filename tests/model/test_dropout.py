"""Dropout from a generator of its own: its share, its mean, and attention with it beside PyTorch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from groundup.model.attention_with_dropout import attention_with_dropout
from groundup.model.dropout import Dropout


def make_dropout(share: float, seed: int = 1) -> Dropout:
    dropout = Dropout(share).train()
    dropout.generator = torch.Generator().manual_seed(seed)
    return dropout


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_the_share_and_the_scale(share: float) -> None:
    """200,001 independent draws: the share within 5 standard deviations, what stays scaled to keep the mean."""
    count = 200_001
    dropped = make_dropout(share)(torch.ones(count))
    zeros = int((dropped == 0).sum())
    assert abs(zeros - share * count) < 5 * (count * share * (1 - share)) ** 0.5
    torch.testing.assert_close(dropped[dropped != 0], torch.full((count - zeros,), 1 / (1 - share)))
    neighbours = ((dropped[1:] == 0) & (dropped[:-1] == 0)).float().mean()
    assert abs(float(neighbours) - share**2) < 0.01  # not drawn in runs


def test_it_is_off_outside_training_and_at_zero() -> None:
    x = torch.randn(10)
    assert make_dropout(0.5).eval()(x) is x
    assert make_dropout(0.0)(x) is x


def test_without_a_generator_it_is_pytorchs() -> None:
    x = torch.randn(1000)
    torch.manual_seed(3)
    ours = Dropout(0.3).train()(x)
    torch.manual_seed(3)
    assert torch.equal(ours, F.dropout(x, 0.3))


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_without_a_share_is_sdpa(length: int, masked: bool) -> None:
    """Forward and backward, causal and with a mask, at and around the size of a block."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, length, 8, requires_grad=True) for _ in range(3))
    mask = None
    if masked:
        mask = (torch.rand(2, 1, length, length) > 0.3) | torch.eye(length, dtype=torch.bool)
    ours = attention_with_dropout(query, key, value, mask, make_dropout(0.0))
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    weight, inputs = torch.randn_like(ours), (query, key, value)
    torch.testing.assert_close(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((theirs * weight).sum(), inputs),
        atol=2e-6,
        rtol=1e-4,
    )


def test_attention_drops_probabilities_and_keeps_the_mean() -> None:
    """With values of one, each output is the sum of the probabilities that stayed: 1 on average over the draws."""
    query, key, value = torch.randn(64, 4, 32, 8), torch.randn(64, 4, 32, 8), torch.ones(64, 4, 32, 8)
    mixed = attention_with_dropout(query, key, value, None, make_dropout(0.25))[..., 0]  # (B, H, T)
    first = mixed[:, :, 0]  # the first query sees itself alone
    assert bool(((first == 0) | (first - 4 / 3 < 1e-6)).all())
    assert 0.15 < float((first == 0).float().mean()) < 0.35
    assert float(mixed.mean()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("masked", [False, True])
def test_attentions_gradients_are_those_of_differences(masked: bool) -> None:
    """In fp64, with one choice of what is dropped, in two blocks of queries."""
    torch.manual_seed(0)
    inputs = [torch.randn(1, 2, 66, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mask = (torch.rand(1, 1, 66, 66) > 0.3) | torch.eye(66, dtype=torch.bool) if masked else None

    def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return attention_with_dropout(query, key, value, mask, make_dropout(0.3))

    assert torch.autograd.gradcheck(attention, inputs, fast_mode=True)


def test_under_autocast_attention_is_in_its_format() -> None:
    """Whatever formats query, key and value come in, as after rotations in fp32."""
    query, key, value = (torch.randn(2, 3, 70, 8, requires_grad=True) for _ in range(3))
    expected = attention_with_dropout(query, key, value, None, make_dropout(0.2))
    with torch.autocast("cpu", torch.bfloat16):
        found = attention_with_dropout(query, key.bfloat16(), value.bfloat16(), None, make_dropout(0.2))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.05)
    weight = torch.randn_like(expected)
    for gradients in zip(
        torch.autograd.grad((found.float() * weight).sum(), (query, key, value)),
        torch.autograd.grad((expected * weight).sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(*gradients, atol=0.2, rtol=0.1)

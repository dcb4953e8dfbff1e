"""The kernel against attention written out, and in fp32 where it would be slow."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.model.fused_attention import fused_attention


def by_hand(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -math.inf).softmax(dim=-1) @ value


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_under_autocast_it_is_that_of_fp32_with_its_gradients(half: torch.dtype) -> None:
    torch.manual_seed(0)
    plain = [torch.randn(2, 3, 9, 4).to(half).requires_grad_() for _ in range(3)]
    exact = [x.detach().double().requires_grad_() for x in plain]
    with torch.autocast("cpu", half):
        mixed = fused_attention(plain[0], plain[1], plain[2], mask=None, dropout_share=0.0, causal=True)
        assert torch.is_autocast_enabled("cpu")
    expected = by_hand(exact[0], exact[1], exact[2])
    mixed.sum().backward()  # type: ignore[no-untyped-call]
    expected.sum().backward()  # type: ignore[no-untyped-call]
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed.double(), expected, atol=1e-6, rtol=1e-5)
    for x, y in zip(plain, exact, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        torch.testing.assert_close(x.grad.double(), y.grad, atol=1e-6, rtol=2 * torch.finfo(half).eps)


def test_without_autocast_the_format_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-precision weights without autocast, as a server may hold them, are multiplied as they are."""
    seen: list[torch.dtype] = []
    kernel = F.scaled_dot_product_attention

    def note(query: Tensor, *others: Any, **named: Any) -> Tensor:
        seen.append(query.dtype)
        return kernel(query, *others, **named)

    monkeypatch.setattr(F, "scaled_dot_product_attention", note)
    x = torch.randn(1, 1, 4, 4).bfloat16()
    assert fused_attention(x, x, x, None, 0.0, True).dtype == torch.bfloat16
    assert seen == [torch.bfloat16]

"""Activations that are computed twice give the gradients of those that were kept."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

from groundup.textbook import TransformerBlock
from groundup.textbook.checkpointing import checkpointed_backward, checkpointed_forward


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_gradients_are_those_of_plain_back_propagation(every: int) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(*(TransformerBlock(8, 2, 16, dropout=0.0) for _ in range(5)))
    twice = copy.deepcopy(plain)
    x = torch.randn(2, 4, 8, requires_grad=True)
    wanted = checkpoint_sequential(plain, 2, x, use_reentrant=False)  # type: ignore[no-untyped-call]  # PyTorch's own
    towards = torch.randn_like(wanted)
    wanted.backward(towards)
    out, kept = checkpointed_forward(list(twice), x, every)
    first = checkpointed_backward(list(twice), kept, towards, every)

    assert len(kept) == -(-5 // every)
    assert torch.equal(out, wanted)
    assert x.grad is not None
    torch.testing.assert_close(first, x.grad)
    for one, other in zip(twice.parameters(), plain.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad)

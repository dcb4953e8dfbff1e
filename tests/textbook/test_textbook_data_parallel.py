"""Ranks that each take some rows come to the gradient of the whole batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.textbook import SimpleLanguageModel
from groundup.textbook.data_parallel import rank_gradient, ring_all_reduce


@given(st.integers(1, 6), st.integers(1, 20))
def test_every_rank_ends_with_the_sum(world: int, length: int) -> None:
    vectors = [torch.arange(length) * (rank + 1.0) for rank in range(world)]
    sums, sent = ring_all_reduce(vectors)
    assert all(torch.equal(one, sum(vectors[1:], vectors[0])) for one in sums)
    assert sent <= 2 * (world - 1) * -(-length // world)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_unequal_rows_weigh_by_their_targets(world: int) -> None:
    torch.manual_seed(0)
    model = SimpleLanguageModel(10, d_model=8, num_heads=2, num_layers=1, d_ff=16, max_seq_len=8, dropout=0.0)
    rows = torch.randint(10, (4, 8))
    mask = (torch.arange(8) < torch.tensor([8, 3, 5, 2])[:, None]).long()
    targets = int((mask.sum(dim=1) - 1).sum())
    whole = rank_gradient(model, rows, mask, targets)
    parts = zip(rows.tensor_split(world), mask.tensor_split(world), strict=True)
    sums, _ = ring_all_reduce([rank_gradient(model, *part, targets) for part in parts])
    for each in sums:
        torch.testing.assert_close(each, whole)

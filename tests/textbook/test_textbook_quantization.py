"""Blocks of whole numbers with a scale: worked by hand, and bounds that hold for every matrix."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.textbook.quantization import dequantize, quantize


def test_a_row_worked_by_hand() -> None:
    numbers, scales = quantize(torch.tensor([[12.7, -0.3, 0.0, 6.36, 0.0, 0.0, -0.0254, 0.0127]]), block_size=4)
    torch.testing.assert_close(scales, torch.tensor([[0.1, 0.0002]]))
    assert numbers.tolist() == [[127, -3, 0, 64, 0, 0, -127, 64]]  # 63.6 and 63.5 are rounded
    assert numbers.dtype == torch.int8
    expected = torch.tensor([[12.7, -0.3, 0.0, 6.4, 0.0, 0.0, -0.0254, 0.0128]])
    torch.testing.assert_close(dequantize(numbers, scales), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from([1, 2, 4, 8]), st.sampled_from([2, 4, 8]))
def test_no_weight_is_off_by_more_than_half_a_scale(seed: int, block_size: int, bits: int) -> None:
    matrix = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
    matrix[1] = 0.0
    numbers, scales = quantize(matrix, block_size, bits)
    again = dequantize(numbers, scales)
    room = scales.repeat_interleave(block_size, dim=1) / 2
    assert ((again - matrix).abs() <= room * 1.001).all()
    assert (again[1] == 0).all()
    assert numbers.abs().max() == 2 ** (bits - 1) - 1


@pytest.mark.parametrize("block_size", [0, 3])
def test_blocks_have_to_fill_the_rows(block_size: int) -> None:
    with pytest.raises(ValueError, match=f"block_size = {block_size}: use a divisor of the rows' length, 8"):
        quantize(torch.ones(2, 8), block_size)

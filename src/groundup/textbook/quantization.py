"""Quantization: numbers of 8 bits, or fewer, in the place of 32, each block of them with a scale.

Shapes, at the line ends: N rows and K columns of a matrix, S numbers in a block.
"""

from __future__ import annotations

from torch import Tensor


def quantize(matrix: Tensor, block_size: int, bits: int = 8) -> tuple[Tensor, Tensor]:
    """Whole numbers (N, K) and scales (N, K / S): number · scale is close to the weight (Dettmers et al. 2022, §2).

    Of each row, every S = `block_size` weights in turn share a scale: the one at which the largest of them becomes the
    largest whole number, 127 of 8 bits. All others are rounded to the nearest, so no weight is off by more than half a
    scale. One large weight makes its whole block coarse, so blocks are kept small; each costs one more scale.

    Raises `ValueError` for blocks that don't fill the rows.
    """
    if block_size < 1 or matrix.shape[1] % block_size:
        raise ValueError(f"block_size = {block_size}: use a divisor of the rows' length, {matrix.shape[1]}.")
    blocks = matrix.reshape(len(matrix), -1, block_size)  # (N, K / S, S)
    scales = blocks.abs().amax(dim=-1) / (2 ** (bits - 1) - 1)  # (N, K / S)
    divisors = scales.where(scales != 0, 1.0)[..., None]  # a block of zeros stays one
    return (blocks / divisors).round().flatten(start_dim=1).char(), scales  # (N, K) of int8


def dequantize(numbers: Tensor, scales: Tensor) -> Tensor:
    """The matrix (N, K) that they stand for."""
    blocks = numbers.reshape(*scales.shape, -1)  # (N, K / S, S)
    return (blocks * scales[..., None]).flatten(start_dim=1)  # (N, K)

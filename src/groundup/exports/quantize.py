"""Weights with fewer bits: each row of a matrix is cut into blocks, and each block has a scale of its own.

The activations are quantized while the network runs, each token's by itself, so a token's scores don't hang on its neighbours'.
That is what PyTorch's deprecated `quantize_dynamic` does for `nn.Linear`, with a finer grid (Dettmers et al. 2022, LLM.int8(), §2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Quantize = Literal["", "int8", "int4"]
"""How a model's matrices are kept: as they are, or in whole numbers of 8 or 4 bits."""

Array = np.ndarray[Any, Any]
BITS = {"int8": 8, "int4": 4}
# The first that divides a row; the last, with zeros behind the row, if none does. A block has one scale for its activations, too: of
# SmolLM2's own writing 8 bits cost 1.8 % in blocks of 64, 0.3 % in blocks of 32. In blocks of 128 ONNX Runtime sums a row alone in another
# order than several, so a text's scores hung on whether another was in the batch.
BLOCK_SIZES = {8: (32, 16), 4: (32, 16)}
# For 4 bits: how far the scale may be from that at which the largest number becomes -8; at the last it becomes -7.
STRETCHES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 8 / 7)
LEAST_IMPORTANCE = np.float32(0.01)  # of the mean: a column that random tokens never light up is not thrown away
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class QuantizedMatrix:
    """A matrix (N, K): weight = (number - 2^(bits-1)) · its block's scale. Laid out as ONNX Runtime's MatMulNBits reads it."""

    stored: Array
    """uint8 (N, blocks, block_size · bits / 8); of two 4-bit numbers in a byte the first is the low one."""
    scales: Array
    """float32 (N, blocks)."""
    bits: int
    width: int
    """K: what a row holds; its last block may be longer."""

    @property
    def block_size(self) -> int:
        return int(self.stored.shape[2]) * 8 // self.bits

    def numbers(self) -> Array:
        """Each by itself: uint8 (N, blocks, block_size)."""
        if self.bits == 8:
            return self.stored
        return np.stack((self.stored & 15, self.stored >> 4), axis=-1).reshape(*self.stored.shape[:2], -1)

    def dequantized(self) -> Array:
        """The matrix (N, K) that these numbers stand for, in float32."""
        weights: Array = (self.numbers().astype(np.float32) - 2 ** (self.bits - 1)) * self.scales[..., None]
        return weights.reshape(len(weights), -1)[:, : self.width]


def quantize_matrix(matrix: Array, bits: int, importance: Array | None = None) -> QuantizedMatrix:
    """A float matrix (N, K) in blocks of `bits`-bit numbers, 8 or 4, rounded to the nearest.

    `importance` (K,), at least 0, weighs the squared errors of the columns by which the scales of 4-bit blocks are chosen
    (`groundup.exports.importance`).
    """
    width = matrix.shape[1]
    if importance is None or not importance.any():
        importance = np.ones(width, np.float32)
    weights = importance / importance.mean() + LEAST_IMPORTANCE
    sizes = BLOCK_SIZES[bits]
    size = next((size for size in sizes if width % size == 0), sizes[-1])
    parts = [
        _quantize_rows(matrix[i : i + ROWS_AT_ONCE], weights, bits, size) for i in range(0, len(matrix), ROWS_AT_ONCE)
    ]
    stored, scales = (np.concatenate(each) for each in zip(*parts, strict=True))
    return QuantizedMatrix(stored, scales, bits, width)


def _quantize_rows(rows: Array, weights: Array, bits: int, block_size: int) -> tuple[Array, Array]:
    padded = np.pad(rows.astype(np.float32), ((0, 0), (0, -rows.shape[1] % block_size)))
    blocks = padded.reshape(len(rows), -1, block_size)  # (N, blocks, block_size)
    weights = np.pad(weights, (0, -len(weights) % block_size)).reshape(-1, block_size)  # (blocks, block_size)
    scales = _scales_8(blocks) if bits == 8 else _scales_4(blocks, weights)
    numbers = (_rounded(blocks, scales, bits) + 2 ** (bits - 1)).astype(np.uint8)
    if bits == 4:
        numbers = numbers[..., ::2] | numbers[..., 1::2] << 4
    return numbers, scales


def _scales_8(blocks: Array) -> Array:
    """The largest number of each block becomes ±127."""
    return np.abs(blocks).max(axis=-1) / np.float32(127)  # type: ignore[no-any-return]


def _scales_4(blocks: Array, weights: Array) -> Array:
    """Of several scales near the one at which the largest number becomes -8, each block's with the least squared error."""
    place = np.abs(blocks).argmax(axis=-1)[..., None]
    largest = np.take_along_axis(blocks, place, axis=-1)[..., 0] / np.float32(-8)
    best, least = largest, np.full(largest.shape, np.inf, np.float32)
    for stretch in map(np.float32, STRETCHES):
        numbers = _rounded(blocks, largest * stretch, 4)
        squares = (weights * numbers * numbers).sum(axis=-1)
        fitted = (weights * numbers * blocks).sum(axis=-1) / np.where(
            squares == 0, 1, squares
        )  # least squares for these
        error = (weights * (numbers * fitted[..., None] - blocks) ** 2).sum(axis=-1)
        best, least = np.where(error < least, fitted, best), np.minimum(error, least)
    return best


def _rounded(blocks: Array, scales: Array, bits: int) -> Array:
    divisors = np.where(scales == 0, 1, scales)[..., None]
    most = 2 ** (bits - 1)
    return np.clip(np.rint(blocks / divisors), -most, most - 1)

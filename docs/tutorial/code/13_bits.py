"""One matrix in 8 bits and in 4: how far its numbers move, for blocks of several sizes, and what one large weight does."""

from __future__ import annotations

import torch

from groundup.exports.quantize import quantize_matrix
from groundup.textbook.quantization import dequantize, quantize

ROWS, COLUMNS = 64, 256
torch.manual_seed(0)
matrix = torch.randn(ROWS, COLUMNS) * 0.02  # as weights are
inputs = torch.randn(1000, COLUMNS)
spoiled = matrix.clone()
spoiled[:, 7] *= 40  # trained networks have some columns whose weights, or inputs, are far larger than all others


def error(original: torch.Tensor, block_size: int, bits: int) -> float:
    """How far the layer's outputs are off, as a share of their size."""
    wanted = inputs @ original.T
    return float((inputs @ dequantize(*quantize(original, block_size, bits)).T - wanted).norm() / wanted.norm())


def in_other_columns(block_size: int, bits: int) -> float:
    """The same for the matrix with large weights, in the columns that don't hold them."""
    others = torch.arange(COLUMNS) != 7
    wanted = inputs[:, others] @ spoiled[:, others].T
    moved = dequantize(*quantize(spoiled, block_size, bits))
    return float((inputs[:, others] @ moved[:, others].T - wanted).norm() / wanted.norm())


numbers, scales = quantize(matrix[:1, :8], block_size=4)
print("eight weights      ", " ".join(f"{number:7.4f}" for number in matrix[0, :8].tolist()))
print("their numbers      ", " ".join(f"{number:7}" for number in numbers[0].tolist()))
print("times the scales   ", " ".join(f"{number:7.4f}" for number in dequantize(numbers, scales)[0].tolist()))

print("\n                     bits a     error of      with one")
print("bits  weights a scale  weight   the outputs   large column")
for bits in (8, 4):
    for block_size in (256, 32):
        each = bits + 32 / block_size
        print(
            f"{bits:4}{block_size:17}{each:8.1f}{error(matrix, block_size, bits):14.1%}{in_other_columns(block_size, bits):15.1%}"
        )

library = torch.from_numpy(quantize_matrix(matrix.numpy(), 8).dequantized())
assert library.equal(dequantize(*quantize(matrix, block_size=32)))
assert in_other_columns(32, 4) < 0.6 * in_other_columns(256, 4)

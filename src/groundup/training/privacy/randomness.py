"""Random numbers that nobody can draw again: the operating system gives the keys, and they are forgotten.

Who knows a seed can subtract the noise. PyTorch's generator on a CPU has 2^32 of them, which can all be tried. Here each step
takes 128 fresh bits from the system (`os.urandom`) as the key of a Philox generator (Salmon et al. 2011, Parallel random numbers: as
easy as 1, 2, 3), uses it once, and keeps nothing.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def secret_generator() -> np.random.Generator:
    """A generator whose key is nowhere else. It is for one use, and never saved."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(os.urandom(16), "little")))


def secret_seed() -> str:
    """A seed that is nowhere else: what dropout of one pass follows from.

    From a known seed the first row of a batch would always get the same choice, the second another. Then one row more would move the
    choice of all that follow, and so their gradients: far more than what is clipped. Of a choice that nobody knows, whose it was
    doesn't matter.
    """
    return os.urandom(16).hex()


def draw_rows(first_row: NDArray[np.int64], sample_rate: float) -> NDArray[np.int64]:
    """The rows of one step: each document is drawn with the probability `sample_rate` by itself, and of each of these one row.

    Rows `first_row[d]` up to `first_row[d + 1]` are those of document d; there is one number more than documents. The number of rows
    that come back differs from step to step, and may be 0; in whatever order, no document has more than one.
    """
    generator = secret_generator()
    drawn = np.flatnonzero(generator.random(len(first_row) - 1) < sample_rate)
    begins, counts = first_row[drawn], np.diff(first_row)[drawn]
    rows: NDArray[np.int64] = begins + (generator.random(len(drawn)) * counts).astype(np.int64)
    return rows


def add_gaussian_noise(tensors: list[Tensor], deviation: float) -> None:
    """Add to each number an own draw from N(0, deviation²), in place."""
    generator = secret_generator()
    for tensor in tensors:
        noise = generator.standard_normal(tensor.shape)
        tensor.add_(torch.from_numpy(noise).to(tensor.dtype).to(tensor.device), alpha=deviation)

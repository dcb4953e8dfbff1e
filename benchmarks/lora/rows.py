"""The rows that are learned from: random ids, all of one length or of the lengths that the task gives. Needs NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_of(shape: dict[str, Any]) -> list[NDArray[np.int64]]:
    """Rows of ids, each with one more than the tokens that are predicted."""
    draw = np.random.default_rng(0)
    lengths = shape.get("lengths") or [shape["context"]] * 64
    return [draw.integers(0, shape["vocab_size"], length + 1) for length in lengths]

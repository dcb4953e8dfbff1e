"""The rows that are learned from: random ids, all of one length or of the lengths that the task gives. Needs NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_of(shape: dict[str, Any]) -> list[NDArray[np.int64]]:
    """Rows of ids, one after the other in random order; with the token that each is read and the one that each predicts."""
    draw = np.random.default_rng(0)
    lengths = draw.permutation(shape.get("lengths") or [shape["context"]] * 512)
    return [draw.integers(0, shape["vocab_size"], int(length)) for length in lengths]

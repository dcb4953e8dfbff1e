"""No peeking: what keeps a model from reading the token that it is to predict.

Row t of the mask says where token t may look: at itself and at those before it. Make a matrix (length, length) with 0
where it may look and -inf where it may not. It will be added to attention's scores: -inf becomes a weight of exactly 0.

For a length of 3:

     0  -inf  -inf
     0    0   -inf
     0    0     0

Then:  groundup learn check causal_mask
"""

from __future__ import annotations

from torch import Tensor


def causal_mask(length: int) -> Tensor:
    """(length, length), float, 0 or -inf."""
    raise NotImplementedError

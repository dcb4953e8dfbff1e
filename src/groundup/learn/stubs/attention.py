"""Attention: each token gathers what it needs from the others.

You are given three tensors. `query` (…, T, K) asks: one row for each token that looks. `key` (…, S, K) answers: one row for
each token that can be looked at. `value` (…, S, V) is what is handed over.

A query's dot product with a key says how well the two fit. Divide these scores by the root of K, so that they do not grow
with the width. Hide what must not be seen: `mask`, if there is one, is added to the scores, 0 where a query may look and
-inf where it may not. A softmax over the keys makes weights of each row of scores. The result is the values' mean under
these weights, (…, T, V).

    softmax(Q Kᵀ / √K + mask) V        (Vaswani et al. 2017, §3.2.1, equation 1)

Don't call F.scaled_dot_product_attention: write it. `torch.softmax` you may use. Then:  groundup learn check attention
"""

from __future__ import annotations

from torch import Tensor


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """(…, T, K), (…, S, K), (…, S, V), mask (T, S) of 0 and -inf -> (…, T, V)."""
    raise NotImplementedError

"""Attention: each token gathers what it needs from the tokens before it.

Shapes, at the line ends: B batch, T time (the tokens that look), S time (the tokens looked at), D d_model, H heads,
K = D / H head_dim.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def create_causal_mask(seq_len: int) -> Tensor:
    """What hides the future: (T, T), 0 where row t may look (columns up to t) and -inf where it may not.

    Added to the scores before the softmax, -inf becomes a weight of exactly 0 (Vaswani et al. 2017, §3.2.3).
    """
    return torch.full((seq_len, seq_len), float("-inf")).triu(diagonal=1)  # (T, T)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """softmax(Q Kᵀ / √K + mask) V (Vaswani et al. 2017, §3.2.1, equation 1).

    A query's dot product with each key says how well the two fit; the softmax turns these scores into weights that sum
    to 1; the result is the mean of the values under the weights. The root keeps the scores' variance at 1 where queries
    and keys have variance 1: without it, a wide head's softmax would start out near 0 and 1, where it learns little.

    query (…, T, K), key and value (…, S, K) -> (…, T, K). `mask`, broadcast to (…, T, S), is either added to the scores
    (0 or -inf, as from `create_causal_mask`) or boolean (True where a query may look). A query that may look nowhere
    gets zeros: its softmax would be 0 / 0. `dropout` is the share of weights zeroed (Radford et al. 2018, §4.1).
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (…, T, S)
    if mask is None:
        weights = F.softmax(scores, dim=-1)  # (…, T, S)
    else:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=scores.dtype).masked_fill(~mask, float("-inf"))
        nowhere = (mask == float("-inf")).all(dim=-1, keepdim=True)  # (…, T, 1)
        # The mask takes the scores' number format, or a bfloat16 model would meet float32 weights at its values.
        scores = (scores + mask.to(scores.dtype)).masked_fill(nowhere, 0.0)
        weights = F.softmax(scores, dim=-1).masked_fill(nowhere, 0.0)  # (…, T, S)
    return F.dropout(weights, dropout) @ value  # (…, T, K)


class MultiHeadAttention(nn.Module):
    """Concat(head_1, …, head_H) W^O, where head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V) (Vaswani et al. 2017, §3.2.2).

    Each head attends in K = d_model / num_heads dimensions of its own, so that one can follow, say, grammar while
    another follows names. The heads' W_i^Q stand side by side in one (D, D) matrix: one product serves them all.
    """

    def __init__(self, d_model: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if num_heads < 1 or d_model % num_heads:
            raise ValueError(
                f"num_heads = {num_heads} does not divide d_model = {d_model}: make d_model a multiple of num_heads."
            )
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        self.dropout = dropout
        self.query_projection = nn.Linear(d_model, d_model)
        self.key_projection = nn.Linear(d_model, d_model)
        self.value_projection = nn.Linear(d_model, d_model)
        self.output_projection = nn.Linear(d_model, d_model)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """query (B, T, D), key and value (B, S, D) -> (B, T, D); self-attention gives the same tensor three times.

        `mask` as in `scaled_dot_product_attention`, broadcast to (B, H, T, S): a (T, S) mask serves every head and row.
        """
        query = self._split_heads(self.query_projection(query))  # (B, H, T, K)
        key = self._split_heads(self.key_projection(key))  # (B, H, S, K)
        value = self._split_heads(self.value_projection(value))  # (B, H, S, K)
        dropout = self.dropout if self.training else 0.0
        heads = scaled_dot_product_attention(query, key, value, mask, dropout)  # (B, H, T, K)
        joined = heads.transpose(1, 2).flatten(start_dim=2)  # (B, T, D)
        return self.output_projection(joined)  # type: ignore[no-any-return]  # (B, T, D)

    def _split_heads(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, K): each head's K columns become a sequence of their own."""
        batch_size, seq_len, _ = x.shape
        return x.view(batch_size, seq_len, self.num_heads, self.head_dim).transpose(1, 2)

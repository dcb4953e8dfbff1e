"""The transformer block: tokens exchange what they know, then each thinks for itself.

Shapes, at the line ends: B batch, T time, D d_model, F d_ff.
"""

from __future__ import annotations

from torch import Tensor, nn

from groundup.textbook.attention import MultiHeadAttention


class TransformerBlock(nn.Module):
    """LayerNorm(x + Attention(x)), then LayerNorm(x + FFN(x)): the block as first published, "post-norm".

    - The sums (residual connections, He et al. 2016, §3.1) let the gradient reach the first layer undiminished.
    - LayerNorm (Ba et al. 2016, §3) gives each token's vector mean 0 and variance 1. Here it stands after the sum
      (Vaswani et al. 2017, §3.1); most later models normalize what enters each branch instead, which trains more easily
      when there are many layers (Xiong et al. 2020, §3.3).
    - FFN(x) = max(0, x W_1 + b_1) W_2 + b_2, the same for every token (Vaswani et al. 2017, §3.3, equation 2).
    - Dropout zeroes a share of each branch's output in training (Vaswani et al. 2017, §5.4), and of what is inside the FFN.
    """

    def __init__(self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads, dropout)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.ffn = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_ff, d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, T, D) -> (B, T, D); `mask` as in `MultiHeadAttention`, e.g. `create_causal_mask(T)`."""
        x = self.norm1(x + self.dropout(self.attention(x, x, x, mask)))  # (B, T, D)
        return self.norm2(x + self.dropout(self.ffn(x)))  # type: ignore[no-any-return]  # (B, T, D); F inside

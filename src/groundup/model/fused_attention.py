"""Attention by PyTorch's fused kernel, in the number format that it is fast in."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def fused_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_share: float, causal: bool
) -> Tensor:
    """softmax(Q Kᵀ / √K) V for queries (B, H, T, K), keys and values (B, H, S, K): (B, H, T, K).

    Under autocast on a CPU it is computed in fp32, for there the kernel's backward pass takes seven times as long in bf16
    (docs/log.md), more than the rest of a small network's step.
    """

    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout_share, is_causal=causal
        )

    if query.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return attention(query.float(), key.float(), value.float())
    return attention(query, key, value)

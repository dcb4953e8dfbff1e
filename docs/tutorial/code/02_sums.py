"""What the sums in a block are for: without them, a few blocks make all tokens the same."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.textbook import TransformerBlock


class WithoutSums(TransformerBlock):
    """The same block, its two residual connections cut."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.norm1(self.attention(x, x, x, mask))
        return self.norm2(self.ffn(x))


@torch.no_grad()
def likeness(block: type[TransformerBlock], depth: int) -> float:
    """How alike different tokens are after so many untrained blocks: 0 for unrelated vectors, 1 for equal ones."""
    torch.manual_seed(0)
    blocks = nn.Sequential(*(block(d_model=32, num_heads=4, d_ff=128, dropout=0.0) for _ in range(depth)))
    output = blocks(torch.randn(8, 12, 32))  # (B, T, D)
    return float(F.cosine_similarity(output[:, :6], output[:, 6:], dim=-1).mean())  # token 1 with 7, 2 with 8, …


print("blocks   with the sums   without them")
for depth in (1, 2, 4, 8):
    print(f"{depth:6}{likeness(TransformerBlock, depth):16.2f}{likeness(WithoutSums, depth):15.2f}")

assert likeness(TransformerBlock, 4) < 0.3
assert likeness(WithoutSums, 4) > 0.99  # nothing is left to tell one token from another

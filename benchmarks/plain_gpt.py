"""GPT-2 and a training loop as a careful person writes them for one card, after nanoGPT: what our step is measured beside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Layer(nn.Module):
    """Attention, then two linear layers, each behind a norm and added to the stream."""

    def __init__(self, width: int, num_heads: int, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norms = nn.ModuleList([nn.LayerNorm(width, bias=bias), nn.LayerNorm(width, bias=bias)])
        self.qkv, self.mix = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width, bias=bias)
        self.up, self.down = nn.Linear(width, 4 * width, bias=bias), nn.Linear(4 * width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        heads = [
            each.view(B, T, self.num_heads, -1).transpose(1, 2) for each in self.qkv(self.norms[0](x)).chunk(3, -1)
        ]
        query, key, value = heads
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mix(mixed.transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))  # type: ignore[no-any-return]


class PlainGPT(nn.Module):
    """Token ids (B, T) and the next ones to their mean cross-entropy, over all logits at once. With `bias` it is GPT-2's network to the
    letter, else nothing in it has one, norms included."""

    def __init__(
        self, vocab_size: int, context: int, num_layers: int, num_heads: int, d_model: int, bias: bool = False
    ) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocab_size, d_model), nn.Embedding(context, d_model)
        self.layers = nn.ModuleList(Layer(d_model, num_heads, bias) for _ in range(num_layers))
        self.norm, self.head = nn.LayerNorm(d_model, bias=bias), nn.Linear(d_model, vocab_size, bias=False)
        self.head.weight = self.tokens.weight
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            x = layer(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def plain_steps(model: PlainGPT, data: np.ndarray, rows: int, compiled: bool, logged: int) -> Iterator[Tensor]:
    """The losses of its steps, in bf16 under autocast; the next batch is drawn while the card computes."""
    context, draw = model.places.num_embeddings, np.random.default_rng(1)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=6e-4, betas=(0.9, 0.95), fused=True)
    network = torch.compile(model) if compiled else model

    def batch() -> tuple[Tensor, Tensor]:
        starts = draw.integers(0, len(data) - context, rows)
        windows = torch.from_numpy(np.stack([data[start : start + context + 1] for start in starts]).astype(np.int64))
        ids, targets = windows[:, :-1].contiguous().pin_memory(), windows[:, 1:].contiguous().pin_memory()
        return ids.to("cuda", non_blocking=True), targets.to("cuda", non_blocking=True)

    ids, targets = batch()
    step = 0
    while True:
        with torch.autocast("cuda", torch.bfloat16):
            loss: Tensor = network(ids, targets)
        ids, targets = batch()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % logged == 0:
            loss.item()
        yield loss.detach()
        step += 1

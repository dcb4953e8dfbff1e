"""transformers' GPT-2 in a plain loop with fused AdamW: what a careful user writes."""

from __future__ import annotations

from functools import partial

import torch
from benchmarks.throughput.plain_loop import plain_step
from benchmarks.throughput.protocol import serve, shape
from benchmarks.throughput.transformers_network import gpt2

S = shape()
torch.manual_seed(1337)
data = torch.randint(0, S["vocab_size"], (1_000_000,))
model = gpt2(S)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)


def loss_of_a_batch() -> torch.Tensor:
    starts = torch.randint(len(data) - S["context"], (S["batch_size"],))
    x = torch.stack([data[i : i + S["context"]] for i in starts])
    loss: torch.Tensor = model(input_ids=x, labels=x).loss
    return loss


serve(partial(plain_step, loss_of_a_batch, model, optimizer))

"""nanoGPT's own network and optimizer, stepped as its train.py does (one optimizer step, no evaluation).

Its checkout is found through NANOGPT. On a CPU its train.py has fp32 only; with PRECISION=bf16 its network runs under autocast,
as its own does on a GPU. Batches are drawn from random tokens as its `get_batch` draws them from a file.
"""

from __future__ import annotations

import os
import sys
from functools import partial

import numpy as np
import torch
from benchmarks.throughput.plain_loop import plain_step
from benchmarks.throughput.protocol import serve, shape

sys.path.insert(0, os.environ["NANOGPT"])
from model import GPT, GPTConfig  # type: ignore[import-not-found]

S = shape()
torch.manual_seed(1337)
data = np.random.default_rng(0).integers(0, S["vocab_size"], 1_000_000).astype(np.uint16)
config = GPTConfig(
    block_size=S["context"],
    vocab_size=S["vocab_size"],
    n_layer=S["num_layers"],
    n_head=S["num_heads"],
    n_embd=S["d_model"],
    dropout=S["dropout"],
    bias=False,
)
model = GPT(config)
optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
network = torch.compile(model) if os.environ.get("COMPILE") else model


def get_batch() -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(data) - S["context"], (S["batch_size"],))
    x = torch.stack([torch.from_numpy(data[i : i + S["context"]].astype(np.int64)) for i in starts])
    y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + S["context"]].astype(np.int64)) for i in starts])
    return x, y


def loss_of_a_batch() -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=os.environ.get("PRECISION") == "bf16"):
        loss: torch.Tensor = network(*get_batch())[1]
    return loss


serve(partial(plain_step, loss_of_a_batch, model, optimizer))

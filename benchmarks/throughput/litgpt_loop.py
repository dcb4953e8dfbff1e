"""litgpt's GPT class in a plain loop with fused AdamW: the Pythia layout (GPT-NeoX), which is nearest to GPT-2's of those it has.

It differs from GPT-2's in rotary positions, parallel branches and an output projection of its own.
"""

from __future__ import annotations

from functools import partial

import torch
from benchmarks.throughput.plain_loop import plain_step
from benchmarks.throughput.protocol import serve, shape
from litgpt import GPT, Config  # type: ignore[import-not-found]

S = shape()
torch.manual_seed(1337)
data = torch.randint(0, S["vocab_size"], (1_000_000,))
model = GPT(
    Config.from_name(
        "pythia-14m",
        block_size=S["context"],
        vocab_size=S["vocab_size"],
        padded_vocab_size=S["vocab_size"],
        n_layer=S["num_layers"],
        n_head=S["num_heads"],
        n_embd=S["d_model"],
        intermediate_size=4 * S["d_model"],
    )
)
model.max_seq_length = S["context"]
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)


def loss_of_a_batch() -> torch.Tensor:
    starts = torch.randint(len(data) - S["context"], (S["batch_size"],))
    x = torch.stack([data[i : i + S["context"]] for i in starts])
    y = torch.stack([data[i + 1 : i + 1 + S["context"]] for i in starts])
    return torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())


serve(partial(plain_step, loss_of_a_batch, model, optimizer))

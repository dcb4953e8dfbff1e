"""transformers' GPT-2 in a plain loop with fused AdamW: what a careful user writes."""

from __future__ import annotations

import torch
from protocol import serve, shape
from transformers import GPT2Config, GPT2LMHeadModel

S = shape()
torch.manual_seed(1337)
data = torch.randint(0, S["vocab_size"], (1_000_000,))
drop = S["dropout"]
model = GPT2LMHeadModel(
    GPT2Config(
        vocab_size=S["vocab_size"],
        n_positions=S["context"],
        n_embd=S["d_model"],
        n_layer=S["num_layers"],
        n_head=S["num_heads"],
        resid_pdrop=drop,
        embd_pdrop=drop,
        attn_pdrop=drop,
        bos_token_id=0,
        eos_token_id=0,
    )
)
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)


def step() -> None:
    starts = torch.randint(len(data) - S["context"], (S["batch_size"],))
    x = torch.stack([data[i : i + S["context"]] for i in starts])
    loss = model(input_ids=x, labels=x).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    loss.item()


serve(step)

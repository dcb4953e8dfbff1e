"""transformers' GPT-2 in a plain loop with fused AdamW, and PEFT's LoRA on it; METHOD=full trains all its weights.

Rows of unequal length are drawn at random and padded to the longest of their batch, as the Trainer does it by default.
"""

from __future__ import annotations

import os
from functools import partial

import torch
from benchmarks.lora.rows import rows_of
from benchmarks.throughput.plain_loop import plain_step
from benchmarks.throughput.protocol import serve, shape
from transformers import GPT2LMHeadModel

S = shape()
torch.manual_seed(1337)
model = GPT2LMHeadModel.from_pretrained(S["base"]).train()
if os.environ.get("METHOD") != "full":
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=S["rank"],
        lora_alpha=2 * S["rank"],
        lora_dropout=S["lora_dropout"],
        target_modules=["c_attn"],
        fan_in_fan_out=True,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(model, lora)
parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
rows = [torch.from_numpy(row) for row in rows_of(S)]
places = iter(torch.split(torch.cat([torch.randperm(len(rows)) for _ in range(1000)]), S["batch_size"]))


def loss_of_a_batch() -> torch.Tensor:
    """As many tokens are read as ours read; the class shifts the labels, so that the last predicts nothing."""
    drawn = [rows[place][:-1] for place in next(places)]
    ids = torch.nn.utils.rnn.pad_sequence(drawn, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in drawn], batch_first=True)
    loss: torch.Tensor = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss
    return loss


serve(partial(plain_step, loss_of_a_batch, model, optimizer))

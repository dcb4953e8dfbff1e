"""transformers' GPT-2 through its Trainer, with fused AdamW and logging, saving and evaluation off; PRECISION=bf16 asks it for that.

The Trainer has a loop of its own, so it is measured from inside: a callback at each step's beginning waits there for the next
turn. What lies between two beginnings, a batch's collation included, is a step.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import torch
from benchmarks.throughput.protocol import shape, turns
from benchmarks.throughput.transformers_network import gpt2
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

S = shape()
torch.manual_seed(1337)
data = torch.randint(0, S["vocab_size"], (1_000_000,))


class Windows(Dataset[dict[str, torch.Tensor]]):
    """Stretches of the context's length."""

    def __len__(self) -> int:
        return len(data) - int(S["context"])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        window = data[index : index + S["context"]]
        return {"input_ids": window, "labels": window}


class InTurn(TrainerCallback):  # type: ignore[misc]
    """Begins a step when it is asked for, and ends the training when the questions end."""

    def __init__(self) -> None:
        self.turns = turns()

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if next(self.turns, self) is self:
            control.should_training_stop = True


with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=S["batch_size"],
        max_steps=1_000_000,
        optim="adamw_torch_fused",
        learning_rate=1e-3,
        adam_beta2=0.99,
        weight_decay=0.1,
        lr_scheduler_type="constant",
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        bf16=os.environ.get("PRECISION") == "bf16",
    )
    Trainer(model=gpt2(S), args=arguments, train_dataset=Windows(), callbacks=[InTurn()]).train()

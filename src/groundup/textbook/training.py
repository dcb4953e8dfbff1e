"""The training loop: predict, measure, correct, over and over."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from groundup.textbook.next_token import next_token_loss
from groundup.textbook.perplexity import average_loss

Model = TypeVar("Model", bound=nn.Module)

WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
WARMUP_FRACTION = 0.05
REPORT_EVERY = 100  # batches


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The model's parameters in two groups for the optimizer: matrices, which decay, and all others.

    Decay pulls weights towards 0, which keeps matrices from growing without need. A norm's scale belongs near 1,
    though, a bias does no harm, and an embedding's row would shrink in every step in which its token does not occur
    (Radford et al. 2018, §4.1, spare biases and scales).
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in model.parameters():
        is_matrix = parameter.ndim >= 2 and id(parameter) not in embeddings
        (decayed if is_matrix else others).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def learning_rate_factor(step: int, total_steps: int) -> float:
    """Share of the peak learning rate in step 0, 1, …, total_steps - 1.

    A line up to 1 over the first 5 % of the steps, at least one, while Adam's averages are still rough (warm-up, Goyal
    et al. 2017, §2.2), and half a cosine down towards 0 over the rest (Loshchilov & Hutter 2017, SGDR, §3, equation 5).
    """
    warmup_steps = max(1, round(WARMUP_FRACTION * total_steps))
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step + 1 - warmup_steps) / (total_steps + 1 - warmup_steps))
    return 0.5 * (1 + math.cos(math.pi * progress))


def train_language_model(
    model: Model,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    num_epochs: int = 10,
    learning_rate: float = 1e-4,
    device: torch.device | str = "cpu",
) -> Model:
    """Train on every next token of every batch, print how it goes, and return the same model, in evaluation mode.

    Each step: the loss; its gradient (back-propagation), scaled down to length 1 if it is longer (Pascanu et al. 2013,
    §3.2); a step of AdamW with decay 0.01 (Loshchilov & Hutter 2019, algorithm 2). Printed: the loss of every 100th
    batch, and after each epoch the mean training and validation loss and the learning rate of its last step.

    Both loaders have a length (no `IterableDataset`) and give batches with `input_ids` (B, T) and, if there is padding,
    `attention_mask` (B, T), as `next_token_loss` says. `model` is `SimpleLanguageModel` or any causal language model, Hugging Face's too.

    Where this parts from the loop as it is often first shown, and why:
    - The learning rate moves with each step, not each epoch, and warms up. Per epoch, the whole first epoch, the
      roughest one, runs at the full rate, and a training of a single epoch has no schedule at all.
    - Only matrices decay: see `parameter_groups`.
    - Losses are per token over all batches, and padding has none; else the figures depend on how the text was cut.

    Raises `ValueError` if a loader has no batches, or a batch has no token to predict.
    """
    for name, loader in (("train_loader", train_loader), ("val_loader", val_loader)):
        if len(loader) == 0:
            raise ValueError(f"{name} has no batches: give it more text, a smaller batch_size, or drop_last=False.")
    model.to(device)
    optimizer = AdamW(parameter_groups(model, WEIGHT_DECAY), lr=learning_rate)
    total_steps = num_epochs * len(train_loader)
    scheduler = LambdaLR(optimizer, lambda step: learning_rate_factor(step, total_steps))

    for epoch in range(num_epochs):
        model.train()
        total_loss, total_tokens, last_rate = 0.0, 0, 0.0
        for batch_idx, batch in enumerate(train_loader):
            summed, num_tokens = next_token_loss(model, batch, device)
            loss = summed / num_tokens
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=MAX_GRAD_NORM)
            optimizer.step()
            last_rate = float(scheduler.get_last_lr()[0])
            scheduler.step()
            total_loss += summed.item()
            total_tokens += num_tokens
            if batch_idx % REPORT_EVERY == 0:
                print(f"Epoch {epoch}, Batch {batch_idx}, Loss: {loss.item():.4f}")

        val_loss = average_loss(model, val_loader, device)
        print(f"Epoch {epoch + 1}/{num_epochs}:")
        print(f"  Train Loss: {total_loss / total_tokens:.4f}")
        print(f"  Val Loss: {val_loss:.4f}")
        print(f"  Learning Rate: {last_rate:.6f}")
    return model

"""Fine-tuning by hand: the loop of chapter 5, begun with a trained model, which gives back the best model that it saw."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from practice import mean_loss
from torch import Tensor, nn

from groundup.textbook.early_stopping import best_so_far, out_of_patience
from groundup.textbook.next_token import next_token_loss
from groundup.textbook.training import parameter_groups


@dataclass
class Tuned:
    """What comes out: the best model by held-out loss, and the losses on the way."""

    model: nn.Module
    losses: list[float]  # held out, before the first step and at each evaluation
    best: int  # which of them belongs to the model


def fine_tune(
    model: nn.Module,
    rows: Tensor,
    held_out: Tensor,
    epochs: int = 3,
    batch_size: int = 4,
    learning_rate: float = 3e-3,
    warmup_steps: int = 5,
    eval_steps: int = 10,
    patience: int = 0,
) -> Tuned:
    """Tune all of the model's weights that ask for it, in place; with `patience`, stop after so many evaluations without a new best.

    A line up, a line down, and AdamW with a small weight decay, as fine-tuning scripts have it.
    """
    total_steps = epochs * -(-len(rows) // batch_size)
    optimizer = torch.optim.AdamW(parameter_groups(model, weight_decay=0.01), lr=learning_rate)
    tuned = Tuned(copy.deepcopy(model).eval(), [mean_loss(model, held_out)], 0)
    step = 0
    for _ in range(epochs):
        for chosen in torch.randperm(len(rows)).split(batch_size):
            model.train()
            rising, falling = (step + 1) / warmup_steps, (total_steps - step) / max(1, total_steps - warmup_steps)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * min(1.0, rising, falling)
            summed, num_tokens = next_token_loss(model, {"input_ids": rows[chosen]})
            optimizer.zero_grad()
            (summed / num_tokens).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % eval_steps == 0 or step == total_steps:
                tuned.losses.append(mean_loss(model.eval(), held_out))
                if best_so_far(tuned.losses) > tuned.best:
                    tuned.model, tuned.best = copy.deepcopy(model), best_so_far(tuned.losses)
                if out_of_patience(tuned.losses, patience):
                    return tuned
    return tuned

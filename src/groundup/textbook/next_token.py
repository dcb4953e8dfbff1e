"""Next-token prediction: the one question that training, evaluation and generation all ask of a model.

Shapes, at the line ends: B batch, T time, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORED = -100  # the target that cross_entropy leaves out


def compute_logits(model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Logits (B, T, V) of any causal language model, for ids (B, T) and a mask (B, T) with 0 where padding stands.

    A model may return the tensor itself, or, as Hugging Face's do, an object that has it as `.logits`.
    """
    output = model(input_ids) if attention_mask is None else model(input_ids, attention_mask=attention_mask)
    return output if isinstance(output, Tensor) else output.logits


def next_token_loss(
    model: nn.Module, batch: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> tuple[Tensor, int]:
    """-∑ ln P(w_t | w_1, …, w_{t-1}), in nats (Radford et al. 2018, §3.1, equation 1), and how many terms it has.

    The same ids serve twice: without the last one they are the inputs, without the first one the targets. The sum and
    the count, not their ratio, so that batches of unequal size can be joined: sum of all losses / sum of all counts.

    `batch["input_ids"]` (B, T). `batch["attention_mask"]` (B, T), if there, marks padding with 0: padding is never a
    target, and nothing is predicted from it. It is the mask that says so and not the padding's id, so an end token that
    is also used for padding is still learned wherever it ends a text.

    Raises `ValueError` if the batch holds nothing to predict.
    """
    input_ids = batch["input_ids"].to(device)  # (B, T)
    targets = input_ids[:, 1:]  # (B, T-1)
    attention_mask = batch.get("attention_mask")
    if attention_mask is not None:
        attention_mask = attention_mask.to(device)  # (B, T)
        is_real = attention_mask != 0  # (B, T)
        targets = targets.masked_fill(~(is_real[:, :-1] & is_real[:, 1:]), IGNORED)  # (B, T-1)
        attention_mask = attention_mask[:, :-1]  # (B, T-1), for the inputs
    num_targets = int((targets != IGNORED).sum())
    if num_targets == 0:
        raise ValueError(
            f"A batch of shape {tuple(input_ids.shape)} has no token to predict: each is predicted from those "
            "before it, so leave out sequences of fewer than 2 tokens (padding does not count)."
        )
    logits = compute_logits(model, input_ids[:, :-1], attention_mask)  # (B, T-1, V)
    summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")
    return summed, num_targets

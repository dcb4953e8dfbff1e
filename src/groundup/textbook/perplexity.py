"""Perplexity: how many equally likely tokens the model hesitates between, on average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from groundup.textbook.next_token import next_token_loss


def average_loss(
    model: nn.Module, data_loader: Iterable[Mapping[str, Tensor]], device: torch.device | str = "cpu"
) -> float:
    """Mean cross-entropy per predicted token, in nats, over all batches; every token weighs the same.

    (A mean of the batches' means would give a token of a short last batch more weight than the others.)
    Batches as in `next_token_loss`. Leaves the model in evaluation mode (dropout off).

    Raises `ValueError` if there are no batches, or one has no token to predict.
    """
    model.to(device)
    model.eval()
    total_loss, total_tokens = 0.0, 0
    with torch.no_grad():
        for batch in data_loader:
            summed, num_tokens = next_token_loss(model, batch, device)
            total_loss += summed.item()
            total_tokens += num_tokens
    if total_tokens == 0:
        raise ValueError("data_loader has no batches to average over: give it more text, or drop_last=False.")
    return total_loss / total_tokens


def calculate_perplexity(
    model: nn.Module, data_loader: Iterable[Mapping[str, Tensor]], device: torch.device | str = "cpu"
) -> float:
    """exp(cross-entropy per token), the geometric mean of 1 / P(w_t | w_1, …, w_{t-1}) (Bengio et al. 2003, §2).

    1 for a model that is always sure and right, V for one that guesses blindly among V tokens. Lower is better, but
    only between models with the same tokenizer: it is per token, and tokenizers cut a text into more or fewer of them.
    A loss too large for exp gives infinity. Arguments and errors as in `average_loss`.
    """
    loss = average_loss(model, data_loader, device)
    try:
        return math.exp(loss)
    except OverflowError:  # above a loss of about 709.8
        return math.inf

"""What a model knows by heart: whether it writes on, how exposed a secret is, whether its loss betrays what it was trained on.

Shapes, at the line ends: T time, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from groundup.textbook.next_token import compute_logits


def token_log_probabilities(model: nn.Module, ids: Sequence[int]) -> list[float]:
    """ln P(w_t | w_1, …, w_{t-1}) of each token but the first, in nats."""
    model.eval()
    with torch.no_grad():
        logits = compute_logits(model, torch.tensor([list(ids[:-1])]))[0]  # (T-1, V)
    log_probabilities = F.log_softmax(logits.float(), dim=-1)  # (T-1, V)
    return [float(row[token]) for row, token in zip(log_probabilities, ids[1:], strict=True)]


def is_extractable(model: nn.Module, prefix: Sequence[int], suffix: Sequence[int]) -> bool:
    """Whether the model, given the prefix, writes exactly the suffix when it always takes the likeliest token
    (Carlini et al. 2023, definition 3.1)."""
    model.eval()
    written = list(prefix)
    with torch.no_grad():
        for _ in suffix:
            logits = compute_logits(model, torch.tensor([written]))[0, -1]  # (V,)
            written.append(int(logits.argmax()))
    return written[len(prefix) :] == list(suffix)


def exposure(loss: float, losses_of_others: Sequence[float]) -> float:
    """By how many bits the model shortens the search for a secret, of this loss, among all that there could be.

    log2 |R| - log2 rank (Carlini et al. 2019, definition 2): |R| secrets, of which this one is the rank-th likeliest. Whoever
    guesses blindly tries |R| / 2 of them on average; whoever tries the likeliest first, rank.

    >>> exposure(1.0, [2.0, 3.0, 4.0]), exposure(2.5, [2.0, 3.0, 4.0])
    (2.0, 1.0)
    """
    rank = 1 + sum(other <= loss for other in losses_of_others)
    return math.log2(len(losses_of_others) + 1) - math.log2(rank)


def area_under_curve(members: Sequence[float], others: Sequence[float]) -> float:
    """How often a member's score is higher than another's, of all pairs, ties counted half; 0.5 for scores that tell nothing.

    >>> area_under_curve([0.9, 0.4], [0.5, 0.4])
    0.625
    """
    won = sum((member > other) + (member == other) / 2 for member in members for other in others)
    return won / (len(members) * len(others))


def min_k_score(log_probabilities: Sequence[float], share: float = 0.2) -> float:
    """The mean of the `share` least likely tokens' ln P, higher for a text that was trained on (Shi et al. 2024).

    A text that the model never saw has a word here and there that surprises it; one that it knows has none.

    >>> min_k_score([-1.0, -2.0, -3.0, -4.0, -0.5], share=0.4)
    -3.5
    """
    lowest = sorted(log_probabilities)[: max(1, int(share * len(log_probabilities)))]
    return sum(lowest) / len(lowest)

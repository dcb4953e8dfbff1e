"""How sure a model is of what it finds likeliest, and whether that comes, over lines that it did not read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from letters import KNOWN_LINES, trained
from practice import as_rows
from torch import Tensor

from groundup.textbook import SimpleLanguageModel

ROWS = as_rows(KNOWN_LINES[200:])
MODELS = {"200 lines": trained(150, num_lines=200), "30 lines": trained(250, num_lines=30)}  # that they read


def answers(model: SimpleLanguageModel, temperature: float = 1.0) -> tuple[Tensor, Tensor, float]:
    """For each token how sure the model is of the likeliest one, and whether it came; and the mean loss."""
    with torch.no_grad():
        logits = model(ROWS[:, :-1]).flatten(0, 1) / temperature  # (tokens, V)
    confidence, likeliest = F.softmax(logits, dim=-1).max(dim=-1)
    targets = ROWS[:, 1:].flatten()
    return confidence, likeliest == targets, float(F.cross_entropy(logits, targets))


def bins(confidence: Tensor, right: Tensor, number: int) -> list[tuple[float, float, int]]:
    """Of each bin that has tokens: the mean confidence, the share that was right, how many."""
    places = (confidence * number).long().clamp(max=number - 1)
    held = [places == place for place in range(number) if (places == place).any()]
    return [(float(confidence[of].mean()), float(right[of].float().mean()), int(of.sum())) for of in held]

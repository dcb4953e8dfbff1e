"""How likely tokens are, out of hidden states, a slice of the vocabulary at a time: the scores of all of it are never there at once.

ln p(token) = its score - ln Σ exp(scores). The sum is kept beside the highest score so far (Milakov & Gimelshein 2018, Online
normalizer calculation for softmax), so one pass is enough. A slice's scores stay in a core's cache between the product that makes them
and the sum that reads them: with 49,152 tokens half the time of all at once.

Shapes: P places, N targets, D width of the network, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.transformer import Transformer

LOGITS_AT_ONCE = 2**18  # 1 MB of them, which a core's cache holds
LOGITS_ON_A_GPU = 2**26
PLACES_AT_ONCE = 256  # at least: for fewer, reading the vocabulary's weights would take longer than multiplying them
MULTIPLE = 64  # of a slice's tokens: products are fastest in whole blocks


class SlicedScores(NamedTuple):
    """What the network says in P places, and of N targets there; fp32, or what the network computes in if that is finer."""

    targets: Tensor
    """(N,) the score of each target."""
    total: Tensor
    """(P,) ln Σ exp(scores) of the whole vocabulary."""
    highest: Tensor
    """(P,) the likeliest token's score."""


def sliced_scores(model: Transformer, hidden: Tensor, targets: Tensor, places: Tensor | None = None) -> SlicedScores:
    """Of hidden states (P, D) and targets (N,); target n belongs to place `places[n]`, or else to place n. Gradients are not kept.

    Scores that are not finite numbers give a `total` that is none.
    """
    output: nn.Linear = model.output_projection
    at_once = LOGITS_AT_ONCE if hidden.device.type == "cpu" else LOGITS_ON_A_GPU
    places = torch.arange(len(targets), device=hidden.device) if places is None else places
    rows = max(PLACES_AT_ONCE, at_once // len(output.weight))
    dtype = torch.promote_types(hidden.dtype, torch.float32)
    found = torch.empty(len(targets), dtype=dtype, device=hidden.device)
    total = torch.empty(len(hidden), dtype=dtype, device=hidden.device)
    highest = torch.empty_like(total)
    for start in range(0, len(hidden), rows):
        some = slice(start, start + rows)
        here = ((places >= start) & (places < start + rows)).nonzero()[:, 0]
        found[here], total[some], highest[some] = _of_rows(
            output, hidden[some], targets[here], places[here] - start, at_once, dtype
        )
    return SlicedScores(found, total, highest)


def _of_rows(
    output: nn.Linear, hidden: Tensor, targets: Tensor, places: Tensor, at_once: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of some places, whose hidden states are all multiplied at once: `at_once` scores at a time."""
    width = MULTIPLE * max(1, at_once // (max(1, len(hidden)) * MULTIPLE))
    found = torch.empty(len(targets), dtype=dtype, device=hidden.device)
    total = torch.zeros(len(hidden), dtype=dtype, device=hidden.device)
    highest = torch.full_like(total, float("-inf"))
    for start in range(0, len(output.weight), width):
        bias = None if output.bias is None else output.bias[start : start + width]
        scores = F.linear(hidden, output.weight[start : start + width], bias).to(dtype)  # (P, width)
        column = targets - start
        inside = (column >= 0) & (column < scores.shape[1])
        found = torch.where(inside, scores[places, column.clamp(0, scores.shape[1] - 1)], found)
        above = torch.maximum(highest, scores.amax(dim=1))
        total = total * (highest - above).exp() + scores.sub_(above[:, None]).exp_().sum(dim=1)
        highest = above
    return found, total.log() + highest, highest

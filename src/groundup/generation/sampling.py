"""How the next token is chosen: pure functions from scores (logits) to token ids.

Shapes: B rows, V vocabulary. Every filter keeps or drops equal scores together, so that which tokens stay depends on
the scores alone, never on the order of a sort. None of them can empty a row, since the likeliest token always stays.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from groundup.generation.settings import GenerationSettings

DROPPED = float("-inf")


def warp_logits(
    logits: Tensor, settings: GenerationSettings, seen: Tensor | None = None, counts: Tensor | None = None
) -> Tensor:
    """The scores (B, V) as fp32 after everything the settings ask for; dropped tokens stand at -inf.

    `seen` (B, V), True for each token already in its row, is needed for a repetition penalty only. `counts` (B, V), how often each token
    was generated in its row, is what presence and frequency penalties act on; None: nothing was generated yet. The order is that of
    `transformers`: repetition penalty, temperature, top-k, top-p, min-p, with the other penalties after the first. At temperature 0 the
    likeliest token is taken whatever the last four say, so only the penalties are applied.
    """
    logits = logits.float()
    if settings.repetition_penalty != 1.0:
        assert seen is not None, "a repetition penalty needs to know which tokens are there already"
        logits = penalize_repetition(logits, seen, settings.repetition_penalty)
    if counts is not None and (settings.presence_penalty or settings.frequency_penalty):
        logits = penalize_generated(logits, counts, settings.presence_penalty, settings.frequency_penalty)
    if settings.temperature == 0.0:
        return logits
    if settings.temperature != 1.0:
        logits = scale_temperature(logits, settings.temperature)
    if 0 < settings.top_k < logits.shape[-1]:
        logits = keep_top_k(logits, settings.top_k)
    if settings.top_p < 1.0:
        logits = keep_top_p(logits, settings.top_p)
    if settings.min_p > 0.0:
        logits = keep_min_p(logits, settings.min_p)
    return logits


def choose(logits: Tensor, settings: GenerationSettings, uniforms: Tensor) -> Tensor:
    """One token id a row (B,) from warped scores (B, V) and one number in [0, 1) a row (B,).

    Temperature 0 takes the highest score, the lowest id among equals. Else the distribution function is inverted
    (Devroye 1986, §III.2): the first id at which the running sum of softmax(logits) exceeds the row's number, so a
    token of probability 0 is never taken.
    """
    if settings.temperature == 0.0:
        return logits.argmax(dim=-1)
    precision = torch.float32 if logits.device.type == "mps" else torch.float64  # Apple's GPUs have no fp64
    cumulative = logits.to(precision).softmax(dim=-1).cumsum(dim=-1)  # (B, V)
    total = cumulative[:, -1:].contiguous()  # 1, but for rounding
    ids = torch.searchsorted(cumulative, uniforms.to(precision).to(logits.device)[:, None] * total, right=True)
    last = torch.searchsorted(cumulative, total)  # the last id with any weight: where a number that rounds to 1 ends
    return torch.minimum(ids, last)[:, 0]


def penalize_repetition(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Divide positive scores of tokens seen by the penalty, multiply negative ones (Keskar et al. 2019, CTRL, §4.1)."""
    penalty = _within_fp32(penalty)
    return _finite(torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits))


def penalize_generated(logits: Tensor, counts: Tensor, presence: float, frequency: float) -> Tensor:
    """Take off `frequency` for each time that a token was generated, and `presence` once if it was at all:
    logit - count · frequency - (count > 0) · presence (OpenAI's API documentation, "Frequency and presence penalties")."""
    return logits - counts * frequency - (counts > 0) * presence


def scale_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide by the temperature; what exceeds fp32's range stops at its end, so a tiny temperature is greedy."""
    return _finite(logits / _within_fp32(temperature))


def _within_fp32(number: float) -> float:
    return min(max(number, 1e-30), 1e30)


def _finite(logits: Tensor) -> Tensor:
    largest = torch.finfo(logits.dtype).max
    return logits.clamp(-largest, largest)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k highest scores of each row, and any that equal the k-th (Fan et al. 2018, §5.4)."""
    return _drop_below(logits, logits.topk(k, dim=-1).values[:, -1:])


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of likeliest tokens that holds `top_p` of the probability, and any as likely as its last
    (Holtzman et al. 2020, §3.1). Summed from the least likely up, where small numbers aren't lost beside large ones."""
    ascending = _ascending(logits)
    below = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p  # (B, V)
    num_dropped = below.sum(dim=-1, keepdim=True).clamp(max=logits.shape[-1] - 1)  # (B, 1)
    return _drop_below(logits, ascending.gather(-1, num_dropped))


def _ascending(logits: Tensor) -> Tensor:
    """Each row's scores, the lowest first. On a CPU by NumPy, which has vector instructions for it and keeps no places: of a vocabulary of
    49,152 a third of the time of PyTorch's sort, which was a quarter of all that it takes to draw a text."""
    if logits.device.type == "cpu":
        return torch.from_numpy(np.sort(logits.detach().numpy(), axis=-1))
    return logits.sort(dim=-1).values


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Keep tokens of at least `min_p` times the likeliest one's probability (Nguyen et al. 2024, §3)."""
    probabilities = logits.softmax(dim=-1)
    return logits.masked_fill(probabilities < min_p * probabilities.amax(dim=-1, keepdim=True), DROPPED)


def _drop_below(logits: Tensor, threshold: Tensor) -> Tensor:
    return logits.masked_fill(logits < threshold, DROPPED)

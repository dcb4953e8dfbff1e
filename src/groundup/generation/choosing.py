"""Each text of a batch by its own settings: which token comes next, and how likely it was.

Shapes: B texts in the batch, V vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from groundup.generation.request import Request, Scored
from groundup.generation.sampling import choose, warp_logits
from groundup.generation.settings import GenerationSettings


class Chooser:
    """What one text's choices hang on: its settings, its random numbers, the tokens that it holds."""

    def __init__(self, request: Request, vocab_size: int, device: torch.device) -> None:
        self.settings, self.logprobs = request.settings, request.logprobs
        self.alike = replace(request.settings, max_new_tokens=1, stop=(), seed=0, language="", num_samples=1)
        """Texts whose settings are equal in this are chosen for at once."""
        self._random = random.Random(f"{request.settings.seed}:{request.sample}")
        self.bias: tuple[Tensor, Tensor] | None = None
        if request.logit_bias:
            ids, added = list(request.logit_bias), list(request.logit_bias.values())
            self.bias = torch.tensor(ids, device=device), torch.tensor(added, device=device)
        self.seen: Tensor | None = None  # (V,) the tokens in the text, for a repetition penalty only
        if request.settings.repetition_penalty != 1.0:
            self.seen = torch.zeros(vocab_size, dtype=torch.bool, device=device)
            self.seen[list(request.prompt)] = True
        self.counts: Tensor | None = (
            None  # (V,) how often each token was chosen, for the penalties that hang on it only
        )
        if request.settings.presence_penalty or request.settings.frequency_penalty:
            self.counts = torch.zeros(vocab_size, device=device)

    def uniform(self) -> float:
        """The next random number in [0, 1)."""
        return self._random.random()


def choose_tokens(choosers: Sequence[Chooser], logits: Tensor) -> list[int]:
    """The next id of each text from its scores (B, V)."""
    if any(chooser.bias is not None for chooser in choosers):
        logits = logits.float().clone()
        for row, chooser in zip(logits, choosers, strict=True):
            if chooser.bias is not None:
                row[chooser.bias[0]] += chooser.bias[1]
    alike: dict[GenerationSettings, list[int]] = {}
    for place, chooser in enumerate(choosers):
        alike.setdefault(chooser.alike, []).append(place)
    if len(alike) == 1:
        return _choose(choosers, logits)
    ids = [0] * len(choosers)
    for places in alike.values():
        for place, new in zip(places, _choose([choosers[place] for place in places], logits[places]), strict=True):
            ids[place] = new
    return ids


def _choose(choosers: Sequence[Chooser], logits: Tensor) -> list[int]:
    """The same for texts of equal settings."""
    settings = choosers[0].settings
    seen = [chooser.seen for chooser in choosers if chooser.seen is not None]
    counts = [chooser.counts for chooser in choosers if chooser.counts is not None]
    warped = warp_logits(logits, settings, *(torch.stack(each) if each else None for each in (seen, counts)))
    numbers = [chooser.uniform() for chooser in choosers] if settings.temperature else []
    ids: list[int] = choose(warped, settings, torch.tensor(numbers, dtype=torch.float64)).tolist()
    for chooser, new in zip(choosers, ids, strict=True):
        if chooser.seen is not None:
            chooser.seen[new] = True
        if chooser.counts is not None:
            chooser.counts[new] += 1
    return ids


def score_chosen(choosers: Sequence[Chooser], logits: Tensor, ids: Sequence[int]) -> dict[int, Scored]:
    """How likely the chosen ids (B,) were under the scores (B, V), for those texts that ask for it, by their places."""
    numbers = {place: each.logprobs for place, each in enumerate(choosers) if each.logprobs is not None}
    if not numbers:
        return {}
    scored = score_tokens(logits[list(numbers)], [ids[place] for place in numbers], max(numbers.values()))
    return {
        place: Scored(score.id, score.logprob, score.likeliest[:number])
        for (place, number), score in zip(numbers.items(), scored, strict=True)
    }


def score_tokens(logits: Tensor, ids: Sequence[int], num_likeliest: int) -> list[Scored]:
    """The log-probability of each id under its scores (B, V), and the likeliest tokens there."""
    logprobs = logits.float().log_softmax(dim=-1)
    chosen = logprobs.gather(1, torch.tensor(ids, device=logits.device)[:, None])[:, 0].tolist()
    values, tokens = logprobs.topk(num_likeliest, dim=-1)
    likeliest = [
        tuple(zip(*pair, strict=True)) for pair in zip(tokens.tolist(), values.tolist(), strict=True)
    ]  # B × ((id, log-probability), …)
    return [Scored(*each) for each in zip(ids, chosen, likeliest, strict=True)]

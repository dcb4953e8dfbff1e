"""How likely a model finds a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from groundup.generation.engine import context_start, default_slide, evaluating
from groundup.model.transformer import Transformer

LOGITS_AT_ONCE = 2**24  # about 64 MB of them
NO_TARGET = -100


@dataclass(frozen=True)
class Score:
    """The likelihood of one text."""

    log_likelihood: float
    """Sum of log p(token | those before it) over the text's tokens, in nats."""
    num_tokens: int
    """Tokens in that sum."""
    num_bytes: int
    """The text's length in UTF-8 bytes."""


class Window(NamedTuple):
    """One pass over part of a text: tokens [start, end) are read, and those at places first … end are predicted."""

    text: int
    start: int
    first: int
    end: int


def log_likelihoods(model: Transformer, texts: Sequence[Sequence[int]]) -> list[float]:
    """For each text, the sum over its tokens but the first of log p(token | context), in nats.

    The context is the one that the engine would have drawn the token from (`context_start`), so this is the
    log-probability of the text being generated after its first token, at temperature 1.
    """
    windows = sorted(
        (window for number, ids in enumerate(texts) for window in _windows(number, len(ids), model.config.max_seq_len)),
        key=lambda window: window.end - window.start,
    )
    totals = [0.0] * len(texts)
    while windows:
        longest = windows[-1].end - windows[-1].start
        batch_size = max(1, LOGITS_AT_ONCE // (longest * model.config.vocab_size))
        batch, windows = windows[-batch_size:], windows[:-batch_size]
        for window, total in zip(batch, _log_likelihoods(model, texts, batch), strict=True):
            totals[window.text] += total
    return totals


def _windows(text: int, num_tokens: int, max_seq_len: int) -> list[Window]:
    windows, first = [], 1
    while first < num_tokens:
        start = context_start(first, max_seq_len, default_slide(max_seq_len))
        end = min(num_tokens - 1, start + max_seq_len)
        windows.append(Window(text, start, first, end))
        first = end + 1
    return windows


def _log_likelihoods(model: Transformer, texts: Sequence[Sequence[int]], windows: Sequence[Window]) -> list[float]:
    """The sum over the tokens that each window predicts."""
    longest = max(window.end - window.start for window in windows)
    inputs = torch.zeros(len(windows), longest, dtype=torch.long)  # (B, T), filled up on the right
    targets = torch.full_like(inputs, NO_TARGET)
    for row, window in enumerate(windows):
        ids = torch.as_tensor(texts[window.text][window.start : window.end + 1])
        inputs[row, : len(ids) - 1] = ids[:-1]
        skipped = window.first - 1 - window.start  # places that an earlier window predicts
        targets[row, skipped : len(ids) - 1] = ids[1 + skipped :]
    device = model.token_embedding.weight.device
    with evaluating(model):
        logits = model(inputs.to(device)).float()  # (B, T, V)
        losses = F.cross_entropy(logits.transpose(1, 2), targets.to(device), ignore_index=NO_TARGET, reduction="none")
    totals: list[float] = (-losses.cpu().double().sum(dim=1)).tolist()
    return totals

"""How likely a model finds a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.generation.context import context_start, default_slide
from groundup.language_model.token_losses import Window, window_losses
from groundup.model.transformer import Transformer


@dataclass(frozen=True)
class Score:
    """The likelihood of one text."""

    log_likelihood: float
    """Sum of log p(token | those before it) over the text's tokens, in nats."""
    num_tokens: int
    """Tokens in that sum."""
    num_bytes: int
    """The text's length in UTF-8 bytes."""


def log_likelihoods(model: Transformer, texts: Sequence[Sequence[int]]) -> list[float]:
    """For each text, the sum over its tokens but the first of log p(token | context), in nats.

    The context is the one that the engine would have drawn the token from (`context_start`), so this is the
    log-probability of the text being generated after its first token, at temperature 1.
    """
    windows = [
        (number, window) for number, ids in enumerate(texts) for window in _windows(ids, model.config.max_seq_len)
    ]
    windows.sort(key=lambda numbered: numbered[1].end - numbered[1].start)  # those of one length go through together
    totals = [0.0] * len(texts)
    losses = window_losses(model, [window for _, window in windows])
    for (number, _), loss in zip(windows, losses, strict=True):
        totals[number] -= loss
    return totals


def _windows(ids: Sequence[int], max_seq_len: int) -> list[Window]:
    windows, first = [], 1
    while first < len(ids):
        start = context_start(first, max_seq_len, default_slide(max_seq_len))
        end = min(len(ids) - 1, start + max_seq_len)
        windows.append(Window(ids, start, first, end))
        first = end + 1
    return windows

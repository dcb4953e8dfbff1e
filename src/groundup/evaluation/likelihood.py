"""How well a model predicts a text: loss, perplexity, bits per byte."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from groundup.errors import DataError
from groundup.language_model.token_losses import Window, window_losses
from groundup.model.transformer import Transformer
from groundup.tokens.sharded_ids import TokenIds


@dataclass(frozen=True)
class Likelihood:
    """What was measured, and over how much."""

    loss: float
    """Mean cross-entropy in nats a token."""
    perplexity: float
    """exp(loss): the number of equally likely tokens that would be as hard to guess between."""
    bits_per_byte: float | None
    """Bits a byte of the predicted text; comparable between tokenizers. None if the text's bytes are not known."""
    tokens: int
    """Tokens predicted."""
    bytes: int | None
    """UTF-8 bytes of the text that those tokens stand for."""
    window: int
    """Length of the non-overlapping windows; each token is predicted from those before it in its window."""


def likelihood(
    model: Transformer,
    ids: TokenIds,
    windows: np.ndarray,
    batch_size: int = 32,
    num_bytes: int | None = None,
    window: int | None = None,
    documents: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Likelihood:
    """Score the tokens of `ids` in `windows`, an array (W, 2) of [start, end): each predicts tokens start+1 … end.

    Perplexity is exp of the mean over all tokens, not a mean of means (Jelinek et al. 1977). `num_bytes` is the length of the
    text that the predicted tokens stand for. `documents` tells of places in `ids` to which document each belongs: then a token is
    predicted from its own alone.
    """
    if len(windows) == 0:
        raise DataError(
            "the text has fewer than two tokens, and a loss needs a token to predict from and one to predict: give a longer text"
        )
    pieces = [
        Window(ids, start, start + 1, end, documents(np.arange(start, end)) if documents else None)
        for start, end in windows.tolist()
    ]
    total, tokens = sum(window_losses(model, pieces, batch_size)), int((windows[:, 1] - windows[:, 0]).sum())
    loss = total / tokens
    bits = total / math.log(2) / num_bytes if num_bytes else None
    return Likelihood(
        loss, safe_exp(loss), bits, tokens, num_bytes, window or int((windows[:, 1] - windows[:, 0]).max())
    )


def safe_exp(loss: float) -> float:
    """exp that answers infinity where a float cannot hold the number."""
    return math.exp(loss) if loss < 700 else math.inf

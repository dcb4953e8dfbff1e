"""How well a model predicts a text: loss, perplexity, bits per byte."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from groundup.errors import DataError
from groundup.model.transformer import Transformer

TOKENS_AT_ONCE = 2**14  # enough to keep a processor busy, few enough for its memory
LOGITS_AT_ONCE = 2**24  # about 64 MB of them
IGNORED = -100  # the target that cross_entropy leaves out


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
    ids: np.ndarray,
    windows: np.ndarray,
    batch_size: int = 32,
    num_bytes: int | None = None,
    window: int | None = None,
) -> Likelihood:
    """Score the tokens of `ids` in `windows`, an array (W, 2) of [start, end): each predicts tokens start+1 … end.

    Perplexity is exp of the mean over all tokens, not a mean of means (Jelinek et al. 1977). `num_bytes` is the length of the
    text that the predicted tokens stand for.
    """
    if len(windows) == 0:
        raise DataError(
            "the text has fewer than two tokens, and a loss needs a token to predict from and one to predict: give a longer text"
        )
    device = next(model.parameters()).device
    longest = int((windows[:, 1] - windows[:, 0]).max())
    rows_at_once = max(1, min(batch_size, TOKENS_AT_ONCE // longest))
    tokens_at_once = max(1, LOGITS_AT_ONCE // model.config.vocab_size)
    total, tokens = 0.0, 0
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for first in range(0, len(windows), rows_at_once):
                inputs, targets = _batch(ids, windows[first : first + rows_at_once])
                hidden = model.hidden_states(torch.from_numpy(inputs).to(device)).flatten(0, 1)  # (B·T, D)
                wanted = torch.from_numpy(targets).to(device).flatten()  # (B·T,)
                for part, part_wanted in zip(
                    torch.split(hidden, tokens_at_once), torch.split(wanted, tokens_at_once), strict=True
                ):
                    losses = F.cross_entropy(
                        model.logits(part).float(), part_wanted, ignore_index=IGNORED, reduction="none"
                    )
                    total += float(losses.cpu().double().sum())  # on the host: not every device has float64
                tokens += int((targets != IGNORED).sum())
    finally:
        model.train(was_training)
    loss = total / tokens
    bits = total / math.log(2) / num_bytes if num_bytes else None
    return Likelihood(loss, safe_exp(loss), bits, tokens, num_bytes, window or longest)


def safe_exp(loss: float) -> float:
    """exp that answers infinity where a float cannot hold the number."""
    return math.exp(loss) if loss < 700 else math.inf


def _batch(ids: np.ndarray, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (B, T) of some windows; shorter ones are filled up on the right, with targets that don't count."""
    length = int((windows[:, 1] - windows[:, 0]).max())
    inputs = np.zeros((len(windows), length), dtype=np.int64)
    targets = np.full((len(windows), length), IGNORED, dtype=np.int64)
    for row, (start, end) in enumerate(windows):
        inputs[row, : end - start] = ids[start:end]
        targets[row, : end - start] = ids[start + 1 : end + 1]
    return inputs, targets

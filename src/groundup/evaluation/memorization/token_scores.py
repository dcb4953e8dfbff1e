"""What a model thinks of each token of many rows, in one pass: how likely it was, how sure the model was; whether rows come out whole.

Shapes: N rows, T tokens predicted of each, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groundup.device import map_in_threads
from groundup.errors import AuditError
from groundup.generation.forward import evaluating
from groundup.language_model.sliced_scores import sliced_scores
from groundup.language_model.token_losses import TOKENS_AT_ONCE
from groundup.model.transformer import KVCache, Transformer

OfLogits = Callable[[Tensor, Tensor], Tensor]
"""(count, n) figures of logits (n, V) and the tokens (n,) that came."""

ROWS_AT_ONCE = 32
FIRST_TOKENS = 5
LOGITS_AT_ONCE = (
    2**23
)  # 32 MB of them: what is larger, the C library gets from the system anew for each operation, page after zeroed page
CACHED_AT_ONCE = 2**25  # numbers in a cache, about 128 MB of them for each thread


@dataclass(frozen=True)
class TokenScores:
    """Of the tokens of each row, without the first."""

    log_probability: NDArray[np.float64]
    """(N, T) log p(token | those before it in its row), in nats."""
    mean: NDArray[np.float64]
    """(N, T) the mean of log p over the vocabulary, each token by its probability: minus the entropy."""
    deviation: NDArray[np.float64]
    """(N, T) the standard deviation of log p, likewise."""


def score_tokens(model: Transformer, rows: NDArray[Any], opening: Sequence[int] = ()) -> TokenScores:
    """Score all tokens but the first of rows (N, 1 + T) of ids, each row read by itself, behind an `opening` that is not scored.
    Dropout is off."""
    scored = _of_rows(model, rows, 1, opening, _score, 3)
    return TokenScores(scored[0], scored[1], scored[2])


def comes_out(model: Transformer, rows: NDArray[Any], prefix: int, opening: Sequence[int] = ()) -> NDArray[np.bool_]:
    """(N,) whether greedy decoding, given the first `prefix` tokens of a row (N, prefix + T), writes all the others.

    It does if and only if each is the likeliest after those before it. Most rows fail at once, so a few tokens are asked for first.
    """
    left = np.arange(len(rows))
    for width in sorted({min(prefix + FIRST_TOKENS, rows.shape[1]), rows.shape[1]}):
        right = _of_rows(model, rows[left, :width], prefix, opening, _is_likeliest, 1)[0]
        left = left[right.all(axis=1)]
    return np.isin(np.arange(len(rows)), left)


def _of_rows(
    model: Transformer, rows: NDArray[Any], first: int, opening: Sequence[int], of_logits: OfLogits, count: int
) -> NDArray[np.float64]:
    """(count, N, T) what `of_logits` makes of tokens first, first + 1, … of rows (N, first + T)."""
    before = np.broadcast_to(np.array(opening, np.int64), (len(rows), len(opening)))
    rows, first = np.concatenate([before, rows], axis=1), first + len(opening)
    width = rows.shape[1]
    at_once = max(1, min(ROWS_AT_ONCE, TOKENS_AT_ONCE // width))
    batches = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    with evaluating(model):
        device = model.token_embedding.weight.device
        parts = map_in_threads(partial(_of_batch, model, first, of_logits), batches, device)
    return np.concatenate([np.zeros((count, 0, width - first)), *parts], axis=1)


def _of_batch(model: Transformer, first: int, of_logits: OfLogits, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(count, B, T) of rows (B, first + T)."""
    ids = torch.from_numpy(rows).to(model.token_embedding.weight.device)
    hidden = _finite(model.hidden_states(ids[:, :-1])[:, first - 1 :])  # (B, T, D)
    wanted = ids[:, first:].flatten()  # (B·T,)
    some = max(1, LOGITS_AT_ONCE // model.config.vocab_size)
    pairs = zip(torch.split(hidden.flatten(0, 1), some), torch.split(wanted, some), strict=True)
    found = torch.cat([of_logits(model.logits(part), ids) for part, ids in pairs], dim=1)
    return found.cpu().double().view(len(found), len(rows), -1).numpy()


def _finite(hidden: Tensor) -> Tensor:
    """What a network computed, if it is numbers: of others nothing would come out, as of a model that knows nothing."""
    if not hidden.isfinite().all():
        raise AuditError(
            "the model computes values that are not finite: its weights are damaged, or its training diverged; use another checkpoint"
        )
    return hidden


def _is_likeliest(logits: Tensor, wanted: Tensor) -> Tensor:
    """(1, n) whether each of the tokens (n,) that came has the highest of its logits (n, V)."""
    return (logits.argmax(dim=-1) == wanted)[None]


def _score(logits: Tensor, wanted: Tensor) -> Tensor:
    """(3, n) of logits (n, V) and the tokens (n,) that came: log p, its mean and its deviation."""
    log_p = logits.float().log_softmax(dim=-1)
    p = log_p.exp()
    mean = (p * log_p).nan_to_num(0.0).sum(dim=-1)  # 0 · -inf counts nothing
    square = (p * log_p.square()).nan_to_num(0.0).sum(dim=-1)
    deviation = (square - mean.square()).clamp(min=0).sqrt()
    came = log_p.gather(1, wanted[:, None])[:, 0]
    return torch.stack([came, mean, deviation])


def losses_after_prefix(model: Transformer, texts: Sequence[list[int]]) -> NDArray[np.float64]:
    """(N,) of texts that begin alike, each one's loss over the tokens in which they differ, and what follows, in nats.

    Their common beginning, which says nothing of which is likelier, is read once.
    """
    prefix = _common_prefix(texts)
    width, config = max(map(len, texts)) - prefix + 1, model.config
    of_row = 2 * config.num_layers * config.num_kv_heads * config.head_dim * (prefix - 1 + width)
    at_once = max(1, min(TOKENS_AT_ONCE // width, CACHED_AT_ONCE // of_row))
    batches = [texts[start : start + at_once] for start in range(0, len(texts), at_once)]
    device = model.token_embedding.weight.device
    with evaluating(model):
        cache = KVCache(model.config, 1, max(1, prefix - 1), device, model.token_embedding.weight.dtype)
        if prefix > 1:
            model.hidden_states(torch.tensor([texts[0][: prefix - 1]], device=device), cache=cache)
        parts = map_in_threads(partial(_losses_of_batch, model, cache, prefix - 1), batches, device)
    return np.concatenate([np.zeros(0), *parts])


def _losses_of_batch(model: Transformer, read: KVCache, length: int, texts: Sequence[list[int]]) -> NDArray[np.float64]:
    """(B,) losses of texts of which `length` tokens are in the one row of `read`."""
    width = max(map(len, texts)) - length - 1  # tokens read after these
    device = model.token_embedding.weight.device
    ids = np.zeros((len(texts), width + 1), np.int64)
    counts = np.zeros((len(texts), width), np.bool_)
    for row, text in enumerate(texts):
        ids[row, : len(text) - length] = text[length:]
        counts[row, : len(text) - length - 1] = True
    cache = KVCache(model.config, len(texts), length + width, device, read.keys.dtype)
    cache.keys[:, :, :, :length] = read.keys[:, :, :, :length]
    cache.values[:, :, :, :length] = read.values[:, :, :, :length]
    cache.lengths = [length] * len(texts)
    given = torch.from_numpy(ids).to(device)
    hidden = _finite(model.hidden_states(given[:, :-1], cache=cache)).flatten(0, 1)
    scores = sliced_scores(model, hidden, given[:, 1:].flatten())
    losses = (scores.total - scores.targets).cpu().double().view(len(texts), width).numpy()
    return np.asarray(np.where(counts, losses, 0.0).sum(axis=1))


def _common_prefix(texts: Sequence[list[int]]) -> int:
    """How many tokens all texts begin with, of which at least one is read and at least one of each is left to predict."""
    low, high = min(texts), max(texts)  # what the first and last in order share, all share
    shared = 0
    while shared < min(len(low), len(high)) and low[shared] == high[shared]:
        shared += 1
    return max(1, min(shared, min(map(len, texts)) - 1))

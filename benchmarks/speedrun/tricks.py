"""Tricks of the speedruns that no stock layout has: each changes a network in place. They live here, not in `TransformerConfig`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from benchmarks.speedrun.runner import plain_batches
from torch import Tensor, nn

from groundup.model.transformer import Attention, FeedForward, Transformer
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.settings import TrainingSettings


class SquaredReLU(FeedForward):
    """max(x, 0)² between two linear layers (So et al. 2021, Primer)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.relu(self.input(x)).square())  # type: ignore[no-any-return]


def squared_relu(model: Transformer) -> None:
    for module in model.modules():
        if isinstance(module, FeedForward):
            module.__class__ = SquaredReLU


class CappedTransformer(Transformer):
    """Logits softly kept within ±15 (Gemma 2, 2024, §2)."""

    def logits(self, hidden: Tensor) -> Tensor:
        return 15 * torch.tanh(super().logits(hidden) / 15)


def softcap(model: Transformer) -> None:
    model.__class__ = CappedTransformer


class ValueLinear(nn.Linear):
    """Queries, keys and values; a vector of the token itself is added to its value (modded-nanogpt's value embeddings)."""

    values: nn.Embedding
    seen: list[Tensor]

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        values = self.values(self.seen[0])  # (B, T, K·G)
        return torch.cat((out[..., : -values.shape[-1]], out[..., -values.shape[-1] :] + values), dim=-1)


class NotingEmbedding(nn.Embedding):
    """Keeps the ids that it was last asked for, where the layers above find them."""

    seen: list[Tensor]

    def forward(self, ids: Tensor) -> Tensor:
        self.seen[:] = [ids]
        return super().forward(ids)


def value_embeddings(model: Transformer) -> None:
    """In every second block, beginning with the first."""
    seen: list[Tensor] = []
    embedding: Any = model.token_embedding
    embedding.__class__, embedding.seen = NotingEmbedding, seen
    for attention in [module for module in model.modules() if isinstance(module, Attention)][::2]:
        qkv: Any = attention.qkv
        width = model.config.num_kv_heads * model.config.head_dim
        qkv.__class__ = ValueLinear
        qkv.values, qkv.seen = nn.Embedding(model.config.vocab_size, width), seen
        nn.init.zeros_(qkv.values.weight)


class BigramEmbedding(nn.Embedding):
    """A vector of each token, and one of each pair of neighbours."""

    pairs: nn.Embedding

    def forward(self, ids: Tensor) -> Tensor:
        before = F.pad(ids[:, :-1], (1, 0))
        both: Tensor = super().forward(ids) + self.pairs(before * self.num_embeddings + ids)
        return both


def bigrams(model: Transformer) -> None:
    embedding: Any = model.token_embedding
    embedding.__class__ = BigramEmbedding
    embedding.pairs = nn.Embedding(model.config.vocab_size**2, model.config.d_model)
    nn.init.zeros_(embedding.pairs.weight)


def short_rows_drawn_alone(ids: np.ndarray, context: int, settings: TrainingSettings) -> Callable[[int], np.ndarray]:
    """Length warm-up whose short rows come from all over the text, where the trainer cuts long rows into four."""
    short, long = make_plan(len(ids), context // 4), make_plan(len(ids), context)

    def batch(step: int) -> np.ndarray:
        if step < settings.length_warmup_fraction * settings.max_steps:
            return training_batch(ids, short, settings.seed, step, 4 * settings.batch_size)
        return training_batch(ids, long, settings.seed, step, settings.batch_size)

    return batch


def few_first(ids: np.ndarray, context: int, settings: TrainingSettings) -> Callable[[int], np.ndarray]:
    """Batch warm-up: half the rows in the first third of the steps."""
    plain = plain_batches(ids, context, settings)

    def batch(step: int) -> np.ndarray:
        rows = plain(step)
        return rows[: len(rows) // 2] if step < settings.max_steps // 3 else rows

    return batch

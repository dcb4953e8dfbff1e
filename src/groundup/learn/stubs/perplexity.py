"""Perplexity: how many equally likely tokens a model hesitates between.

`model` takes ids (1, T) and gives logits (1, T, V): those at t are for the token at t + 1. `texts` are lists of ids of
unequal length. Each text is read by itself, and every token but its first is predicted.

Perplexity is exp of the mean loss *per token*, over all tokens of all texts: sum all losses, divide once by how many there
are, and take exp at the end. (A mean of the texts' own means, or of their perplexities, would let a short text count as much
as a long one.)

A model may be in training mode, in which dropout makes every answer another. Put it into evaluation mode; no gradients are
needed. Texts of fewer than two tokens have nothing to predict, and are left out.

You may use F.cross_entropy. Then:  groundup learn check perplexity
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def perplexity(model: nn.Module, texts: Sequence[Sequence[int]]) -> float:
    """exp(sum of all losses / number of predicted tokens)."""
    raise NotImplementedError

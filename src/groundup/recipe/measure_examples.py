"""How well a model predicts what it is to learn of held-out rows: answers, or which of two is the better."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from groundup.device import map_in_threads
from groundup.evaluation.likelihood import Likelihood, safe_exp
from groundup.evaluation.predicted import Predicted, predicted
from groundup.generation.forward import evaluating
from groundup.language_model.token_losses import IGNORED, Predictions, join, predict_targets
from groundup.model.transformer import Transformer
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.objectives.language_model import count_targets, marked_loss_sum

BATCHES_AT_ONCE = 64  # that lie ready for the threads


def measure_examples(model: Transformer, data: PreparedExamples, batch_size: int, max_tokens: int = 0) -> Likelihood:
    """Loss, perplexity and bits per byte of what the held-out rows teach. Dropout is off.

    With `max_tokens` > 0 only some rows, evenly spread, of about so many tokens in all, learned or not.
    """
    device = model.token_embedding.weight.device
    batches = validation_batches(data, batch_size, max_tokens)
    loss, tokens = 0.0, 0
    while some := list(islice(batches, BATCHES_AT_ONCE)):
        with evaluating(model):
            loss += sum(map_in_threads(partial(_loss, model, device), some, device))
        tokens += sum(map(count_targets, some))
    # All rows' text, or as much of it as belongs to so many of their tokens.
    num_bytes = round(int(data.validation.text_bytes.sum()) * tokens / max(1, int(data.validation.learned.sum())))
    mean = loss / max(1, tokens)
    bits_per_byte = loss / math.log(2) / num_bytes if num_bytes else None
    return Likelihood(mean, safe_exp(mean), bits_per_byte, tokens, num_bytes, int(data.validation.lengths.max()))


def predict_examples(model: Transformer, data: PreparedExamples, batch_size: int) -> Predicted:
    """What the model gives to the learned tokens of each held-out row, those of like lengths together. Dropout is off.

    A row's bytes are spread evenly over its learned tokens.
    """
    device = model.token_embedding.weight.device
    batches, parts = data.validation_batches(batch_size), []
    while some := list(islice(batches, BATCHES_AT_ONCE)):
        with evaluating(model):
            parts += map_in_threads(partial(_predictions, model), some, device)
    store = data.validation
    order = store.taught[np.argsort(store.example_lengths[store.taught], kind="stable")]  # as the batches come
    learned = store.learned[order]
    text_bytes = np.repeat(store.text_bytes[order] / np.maximum(1, learned), learned)
    return predicted(join(parts), np.cumsum(learned), text_bytes, "rows")


def _predictions(model: Transformer, batch: NDArray[np.int64]) -> Predictions:
    ids = batch[:, 1:]
    return predict_targets(model, np.where(batch < 0, ~batch, batch)[:, :-1], np.where(ids < 0, IGNORED, ids))


def validation_batches(data: PreparedExamples, batch_size: int, max_tokens: int = 0) -> Iterator[NDArray[np.int64]]:
    """The held-out rows, or as many of them as hold about `max_tokens` tokens, those of like lengths together."""
    mean_length = max(1.0, float(data.validation.example_lengths.mean()))
    return data.validation_batches(batch_size, math.ceil(max_tokens / mean_length))


def _loss(model: Transformer, device: torch.device, batch: NDArray[np.int64]) -> float:
    return float(marked_loss_sum(model, torch.from_numpy(batch).to(device)))

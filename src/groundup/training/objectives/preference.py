"""Direct preference optimization (DPO): to write rather the chosen answer of two than the rejected one.

A batch is (B, 2, L+2): of each pair the chosen row and the rejected one, both with the pair's number in front. Marked ids follow,
as in language_model.py: the prompt and the padding are `~id`, read but not learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from groundup.device import map_in_threads
from groundup.generation.forward import evaluating
from groundup.model.transformer import Transformer
from groundup.training.objectives.token_loss import LOGITS_AT_ONCE
from groundup.training.settings import PreferenceSettings

FIGURES = ("accuracy", "margin", "chosen_reward", "rejected_reward")
"""What `preference_loss_sum` sums behind the loss; a reward is β times how much likelier than to the reference an answer is, in nats."""
BATCHES_AT_ONCE = 64  # that lie ready for the threads


def preference_loss_sum(model: nn.Module, batch: Tensor, reference: Tensor, settings: PreferenceSettings) -> Tensor:
    """(1 + F,): the pairs' summed loss, and the sums of `FIGURES`, which carry no gradient. Divide by B for the means.

    A pair's loss is -(1-ε) log σ(m) - ε log σ(-m), where m, its margin, is the chosen answer's reward less the rejected one's
    and a reward is β log π(answer | prompt) / π_ref(answer | prompt) (Rafailov et al. 2023, equation 7; with label smoothing ε,
    Mitchell 2023, "A note on DPO with noisy preferences"). `batch` (B, 2, L+2). `reference` (P, 2): log π_ref of all pairs'
    answers, by the pair's number.
    """
    return _terms(answer_log_probabilities(model, batch), reference[batch[:, 0, 0]], settings).sum(dim=0)


def answer_log_probabilities(model: nn.Module, batch: Tensor) -> Tensor:
    """(B, 2) log π(answer | prompt), in nats, of a batch's chosen and rejected answers: the sum over their tokens."""
    network = cast(Transformer, model)  # a compiled one hands on what it is asked for
    ids = batch[:, :, 1:].flatten(0, 1)  # (2B, L+1)
    inputs, targets = torch.where(ids < 0, ~ids, ids)[:, :-1], ids[:, 1:]  # (2B, L) each
    learned = targets >= 0
    hidden = model(inputs, project=False)[learned]  # (N, D): what predicts the answers' tokens, no more
    wanted = targets[learned]  # (N,)
    rows = max(1, LOGITS_AT_ONCE // network.config.vocab_size)
    # No more than a part of the logits is there at a time: they are computed again for their gradient.
    parts = [
        checkpoint(_log_probabilities, network, some, some_wanted, use_reentrant=False, preserve_rng_state=False)
        for some, some_wanted in zip(torch.split(hidden, rows), torch.split(wanted, rows), strict=True)
    ]
    by_token = torch.zeros(targets.shape, device=ids.device).masked_scatter(learned, torch.cat(parts))  # (2B, L)
    return by_token.sum(dim=1).view(-1, 2)


def _log_probabilities(network: Transformer, hidden: Tensor, targets: Tensor) -> Tensor:
    return -F.cross_entropy(network.logits(hidden).float(), targets, reduction="none")  # (N,)


def _terms(found: Tensor, reference: Tensor, settings: PreferenceSettings) -> Tensor:
    """(B, 1 + F): each pair's loss and figures, of its answers' log-probabilities (B, 2) under the model and the reference."""
    rewards = settings.beta * (found - reference)  # (B, 2)
    margins = rewards[:, 0] - rewards[:, 1]
    losses = -(1 - settings.label_smoothing) * F.logsigmoid(margins) - settings.label_smoothing * F.logsigmoid(-margins)
    seen = margins.detach()
    figures = torch.stack([(seen > 0).to(seen.dtype), seen], dim=1)
    return torch.cat([losses[:, None], figures, rewards.detach()], dim=1)


def reference_log_probabilities(
    model: Transformer, batches: Iterable[NDArray[np.int64]], dtype: torch.dtype | None = None
) -> NDArray[np.float32]:
    """(P, 2) log π(answer | prompt) of all pairs under the model as it stands, row p for pair p. Computed once, before training.

    `batches` (B, 2, L+2) hold each of the pairs 0 … P-1 once, in any order. Dropout is off, and each batch is read in a thread
    of its own: its numbers hang on nothing but the batch. `dtype`: the format of training's matrix products under autocast, if
    there is one, so that what rounding does to a model that hasn't changed yet is no preference.
    """
    seen = list(read_pairs(model, batches, dtype))
    numbers = np.concatenate([batch[:, 0, 0] for batch, _ in seen])
    assert sorted(numbers.tolist()) == list(range(len(numbers))), "every pair is read once"
    reference = np.empty((len(numbers), 2), np.float32)
    reference[numbers] = np.concatenate([found for _, found in seen])
    return reference


def preference_figures(
    model: Transformer,
    batches: Iterable[NDArray[np.int64]],
    reference: NDArray[np.float32],
    settings: PreferenceSettings,
) -> dict[str, float]:
    """`loss` and `FIGURES`, the means over the pairs of all `batches`; dropout is off, and nothing is under autocast.

    `reference` (P, 2) as in the loss, read without a `dtype` as well.
    """
    means: list[float] = preference_terms(model, batches, reference, settings).mean(axis=0).tolist()
    return dict(zip(("loss", *FIGURES), means, strict=True))


def preference_terms(
    model: Transformer,
    batches: Iterable[NDArray[np.int64]],
    reference: NDArray[np.float32],
    settings: PreferenceSettings,
) -> NDArray[np.float64]:
    """(P, 1 + F): what `preference_figures` takes the means of, pair by pair in the order of the batches."""
    terms = [
        _terms(torch.from_numpy(found).double(), torch.from_numpy(reference[batch[:, 0, 0]]).double(), settings)
        for batch, found in read_pairs(model, batches)
    ]
    every: NDArray[np.float64] = torch.cat(terms).numpy()
    return every


def read_pairs(
    model: Transformer, batches: Iterable[NDArray[np.int64]], dtype: torch.dtype | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Each batch (B, 2, L+2) with its answers' log-probabilities (B, 2), under autocast where there is a `dtype`."""
    device, ahead = model.token_embedding.weight.device, iter(batches)
    while some := list(islice(ahead, BATCHES_AT_ONCE)):
        with evaluating(model):
            found = map_in_threads(partial(_batch_log_probabilities, model, device, dtype), some, device)
        yield from zip(some, found, strict=True)


def _batch_log_probabilities(
    model: Transformer, device: torch.device, dtype: torch.dtype | None, batch: NDArray[np.int64]
) -> NDArray[np.float32]:
    with torch.autocast(device.type, dtype) if dtype else nullcontext():
        found = answer_log_probabilities(model, torch.from_numpy(batch).to(device))
    numbers: NDArray[np.float32] = found.cpu().numpy()
    return numbers


def count_answer_tokens(batch: NDArray[np.int64]) -> int:
    """How many tokens of a batch (B, 2, L+2) carry loss: the answers', each row's first token aside."""
    return int(np.count_nonzero(batch[:, :, 2:] >= 0))


def count_pairs(batch: NDArray[np.int64]) -> int:
    """What the sums over a batch are divided by: its pairs."""
    return len(batch)


def answer_rows_read(batch: NDArray[np.int64]) -> tuple[int, int]:
    """How many rows of a batch (B, 2, L+2) the network reads, and how many tokens of each."""
    return 2 * len(batch), batch.shape[2] - 2

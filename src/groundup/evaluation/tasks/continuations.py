"""How likely a model finds texts after others: what multiple choice and the other tasks of likelihood compare.

The same numbers as a pass for each text would give, with fewer tokens through the network: what texts share from their beginning
on is read once (`prefix_tree`; the examples before every question of a task in a pass of their own), rows of about one length
go through together, and scores of the vocabulary are made in those places only where something is predicted, a slice of it at a
time (`sliced_scores`).

Shapes: B rows, T tokens of a row, P tokens of a beginning that all share, V vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from groundup.device import map_in_threads
from groundup.errors import ModelError
from groundup.evaluation.tasks.prefix_tree import Tree, grow_trees, num_shared
from groundup.generation.forward import evaluating
from groundup.language_model.sliced_scores import sliced_scores
from groundup.model.transformer import KVCache, Transformer

NUMBERS_AT_ONCE = 2**18  # of a batch's hidden states, 1 MB: what is made of them has to stay in a core's cache
TOKENS_ON_A_GPU = 2**14  # of a batch
WORTH_A_PASS = 64  # tokens that many texts must share before they are read in a pass of their own
MANY = 16  # texts
LONG = 2**10  # tokens: few texts are many enough, since their mask would be large


class Continuation(NamedTuple):
    """A text of ids and what comes after it."""

    context: Sequence[int]
    """What is only read; at least one token."""
    ids: Sequence[int]
    """What is predicted; at least one token."""


class LogLikelihood(NamedTuple):
    """How likely a continuation is."""

    value: float
    """Sum of ln p(token | those before it) over its tokens."""
    greedy: bool
    """Whether each of its tokens is the likeliest in its place."""


@dataclass
class _Family:
    """Texts whose first tokens, the same in all, are read once."""

    prefix: list[int]
    """(P,)"""
    numbers: list[int]
    """Which texts."""


class _TreeRows(KVCache):
    """Rows of trees as the network reads them: it asks its cache who stands where, and who sees whom."""

    def __init__(self, trees: Sequence[Tree], prefix: KVCache | None, weight: Tensor) -> None:
        device, self.dtype = weight.device, weight.dtype
        self.prefix = prefix
        self.lengths = [0] * len(trees)
        before = 0 if prefix is None else prefix.lengths[0]
        width = max(len(tree.ids) for tree in trees)
        places = np.zeros((len(trees), width), np.int64)
        seen = np.zeros((len(trees), 1, width, before + width), bool)
        seen[..., :before] = True
        seen[:, :, range(width), range(before, before + width)] = True  # padding sees something, too, or would be NaN
        for row, tree in enumerate(trees):
            length = len(tree.ids)
            places[row, :length] = tree.places
            seen[row, 0, :length, before : before + length] = tree.sees()
        self.places = torch.from_numpy(places + before).to(device)  # (B, T)
        self.seen = torch.from_numpy(seen).to(device)  # (B, 1, T, P + T)

    def begin(self, num_new: int) -> Tensor:
        assert self.places is not None
        return self.places

    def mask(self, num_new: int, window: int = 0) -> Tensor:
        seen = self.seen
        if window:
            assert self.places is not None
            before = torch.arange(seen.shape[-1] - num_new, device=seen.device).expand(len(seen), -1)
            keys = torch.cat([before, self.places], dim=1)  # (B, P + T)
            seen = seen & (self.places[:, None, :, None] - keys[:, None, None, :] < window)
        # Once here, or else in every layer.
        return torch.zeros(seen.shape, dtype=self.dtype, device=seen.device).masked_fill_(~seen, float("-inf"))

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if self.prefix is None:
            return key, value
        length = self.prefix.lengths[0]
        before = (
            each[layer, :, :, :length].expand(len(key), -1, -1, -1) for each in (self.prefix.keys, self.prefix.values)
        )
        keys, values = before
        return torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)


def log_likelihoods(model: Transformer, continuations: Sequence[Continuation]) -> list[LogLikelihood]:
    """The log-likelihood of each continuation after its context.

    Where both together are longer than the model's context and the one token that needs not be read, the context's beginning is left out
    (as in lm-eval); a continuation alone has to fit. Raises `ModelError` for a model whose scores are not numbers.
    """
    most = model.config.max_seq_len + 1
    for context, ids in continuations:
        assert context, "a context has at least one token"
        assert ids, "a continuation has at least one token"
        assert len(ids) < most, f"{len(ids)} tokens to predict, and the model's context is {most - 1}"
    whole = [[*context, *ids][-most:] for context, ids in continuations]
    firsts = [len(text) - len(ids) for text, (_, ids) in zip(whole, continuations, strict=True)]
    read = [text[:-1] for text in whole]  # what follows the last token is not asked
    results: list[LogLikelihood | None] = [None] * len(whole)
    device = model.token_embedding.weight.device
    on_cpu = device.type == "cpu"
    tokens, cores = (
        (NUMBERS_AT_ONCE // model.config.d_model, torch.get_num_threads()) if on_cpu else (TOKENS_ON_A_GPU, 1)
    )
    with evaluating(model):
        for family in _families(read, firsts):
            cache = _read_prefix(model, family.prefix)
            length = len(family.prefix)
            rest = {number: read[number][length:] for number in family.numbers}
            trees = list(grow_trees(rest, family.numbers, cores))
            score = partial(_score_batch, model, cache, whole, firsts, length)
            for scored in map_in_threads(score, list(_batches(trees, tokens)), device):
                for number, result in scored:
                    results[number] = result
    return [result for result in results if result is not None]


def _families(read: Sequence[list[int]], firsts: Sequence[int]) -> Iterator[_Family]:
    """Texts in sorted order, those with a long common beginning together; then the rest, which share none."""
    order = sorted(range(len(read)), key=read.__getitem__)
    runs: list[list[int]] = []
    shared: list[int] = []  # by all of the run
    for place, number in enumerate(order):
        common = num_shared(read[order[place - 1]], read[number]) if place else 0
        common = min(common, firsts[number] - 1)  # the token before the first predicted one is in the row
        if runs and common >= WORTH_A_PASS:
            runs[-1].append(number)
            shared[-1] = min(shared[-1], common)
        else:
            runs.append([number])
            shared.append(firsts[number] - 1)
    single = []
    for run, length in zip(runs, shared, strict=True):
        if len(run) >= MANY or (len(run) > 1 and length >= LONG):
            yield _Family(read[run[0]][:length], run)
        else:
            single += run
    if single:
        yield _Family([], single)


def _read_prefix(model: Transformer, prefix: list[int]) -> KVCache | None:
    """The keys and values of a beginning, in one row."""
    if not prefix:
        return None
    weight = model.token_embedding.weight
    cache = KVCache(model.config, 1, len(prefix), weight.device, weight.dtype)
    model.hidden_states(torch.tensor([prefix], device=weight.device), cache=cache)
    return cache


def _batches(trees: Sequence[Tree], tokens: int) -> Iterator[list[Tree]]:
    """Trees of about one length, about so many tokens at a time, the longest first, so that no long one is left for one core at the end.
    Those without branches, which need no mask, come last."""
    ordered = sorted(trees, key=lambda tree: (tree.has_one_branch, -len(tree.ids)))
    while ordered:
        most = max(1, tokens // len(ordered[0].ids))
        yield ordered[:most]
        ordered = ordered[most:]


def _score_batch(
    model: Transformer,
    prefix: KVCache | None,
    whole: Sequence[list[int]],
    firsts: Sequence[int],
    length: int,
    trees: Sequence[Tree],
) -> list[tuple[int, LogLikelihood]]:
    """The log-likelihoods of a batch's texts, with their numbers."""
    weight = model.token_embedding.weight
    device, width = weight.device, max(len(tree.ids) for tree in trees)
    ids = torch.tensor([tree.ids + [0] * (width - len(tree.ids)) for tree in trees], device=device)
    plain = prefix is None and all(
        tree.has_one_branch for tree in trees
    )  # what stands behind a text changes nothing in it
    hidden = model.hidden_states(ids, cache=None if plain else _TreeRows(trees, prefix, weight)).flatten(
        0, 1
    )  # (B·T, D)
    numbers, places, targets = [], [], []
    for row, tree in enumerate(trees):
        for number, path in tree.texts:
            numbers.append(number)
            places.append(path[firsts[number] - 1 - length :] + row * width)
            targets.append(whole[number][firsts[number] :])
    wanted, which = np.unique(np.concatenate(places), return_inverse=True)
    following = torch.tensor(list(itertools.chain.from_iterable(targets)), device=device)
    place = torch.from_numpy(which).to(device)
    scores = sliced_scores(model, hidden[torch.from_numpy(wanted).to(device)], following, place)
    if not scores.total.isfinite().all():
        raise ModelError(
            "the model's scores are not finite numbers: its weights are damaged, so use another checkpoint"
        )
    logprobs = (scores.targets - scores.total[place]).cpu().double().numpy()
    likeliest = (scores.targets == scores.highest[place]).cpu().numpy()
    ends = np.cumsum([len(each) for each in targets])[:-1]
    return [
        (number, LogLikelihood(float(values.sum()), bool(best.all())))
        for number, values, best in zip(numbers, np.split(logprobs, ends), np.split(likeliest, ends), strict=True)
    ]

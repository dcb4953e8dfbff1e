"""Checks of `cross_entropy`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.learn.checking import Attempt, Check, gradient_hint, hint_for, slow_hint


def _blind_guess(attempt: Attempt) -> str:
    found = attempt["cross_entropy"](torch.zeros(4, 8), torch.tensor([0, 3, 5, 7]))
    right = torch.tensor(math.log(8))
    mistakes = [
        (torch.full((4,), math.log(8)), "this is the loss of each row: what is wanted is their mean, one number"),
        (right / 8, "it is divided by the number of scores, N · V: divide by the number of rows"),
        (4 * right, "this is the sum over the rows: divide it by how many there are"),
        (-right, "it is negative: a probability is below 1, so its logarithm is below 0; turn the sign"),
        (right / math.log(2), "this is in bits: what is wanted is in nats, the natural logarithm"),
        (torch.tensor(1 / 8), "this is the probability: the loss is -ln of it"),
        (torch.tensor(0.0), "the scores are used as they are: a softmax makes probabilities of them"),
    ]
    return hint_for(
        found, right, mistakes, "of eight equal scores each token has a probability of 1/8, so the loss is ln 8 = 2.079"
    )


def _numbers(attempt: Attempt) -> str:
    logits, targets = torch.randn(5, 7), torch.tensor([1, 0, 6, 3, 3])
    likely = torch.log_softmax(logits, dim=-1)
    mistakes = [
        (
            -torch.log_softmax(logits, dim=0)[torch.arange(5), targets].mean(),
            "the softmax runs over the rows: it belongs on the vocabulary, dim=-1",
        ),
        (
            -likely[:, targets].mean(),
            "each row is charged for all rows' targets: pick one column a row, with gather or [arange(N), targets]",
        ),
        (-likely.mean(), "each row is charged for all tokens: only the probability of its target counts"),
        (
            F.cross_entropy(logits, targets, ignore_index=0),
            "rows whose target is 0 are left out: 0 is a token like any other, and -100 is none",
        ),
        (-logits[torch.arange(5), targets].mean(), "the scores are used as they are: subtract each row's logsumexp"),
    ]
    return hint_for(
        attempt["cross_entropy"](logits, targets),
        F.cross_entropy(logits, targets),
        mistakes,
        "the numbers are others than the mean of -ln softmax(z)_t gives",
    )


def _large_scores(attempt: Attempt) -> str:
    logits = torch.tensor([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 0.0], [-1000.0, -1001.0, -1002.0]])
    for targets in (torch.tensor([0, 1, 0]), torch.tensor([1, 0, 2])):
        right = F.cross_entropy(logits, targets)
        found = attempt["cross_entropy"](logits, targets)
        if isinstance(found, Tensor) and not found.isfinite().all():
            return (
                "scores of 1,000 give inf or NaN: take off each row's largest score before exp, or use torch.logsumexp"
            )
        hint = hint_for(
            found,
            right,
            [],
            "with scores of 1,000 the loss is wrong: something very small was rounded to 0 before its logarithm was taken, or bounded",
        )
        if hint:
            return hint
    return ""


def _left_out(attempt: Attempt) -> str:
    logits, targets = torch.randn(6, 4), torch.tensor([1, -100, 2, -100, -100, 0])
    right, counted = F.cross_entropy(logits, targets), targets != -100
    mistakes = [
        (
            right * 3 / 6,
            "rows of -100 add nothing, as they should, but they are counted: divide by how many others there are",
        ),
        (
            F.cross_entropy(logits, targets.where(counted, 0)),
            "rows of -100 are charged as if their target were 0: leave them out",
        ),
    ]
    return hint_for(
        attempt["cross_entropy"](logits, targets), right, mistakes, "rows whose target is -100 should be left out"
    )


def _gradient(attempt: Attempt) -> str:
    targets = torch.tensor([2, 0, -100])
    return gradient_hint(lambda logits: attempt["cross_entropy"](logits, targets), torch.randn(3, 4))


def _inputs_stay(attempt: Attempt) -> str:
    logits, targets = torch.randn(3, 4), torch.tensor([2, -100, 0])
    given = logits.clone(), targets.clone()
    attempt["cross_entropy"](*given)
    if not torch.equal(given[1], targets):
        return "it changed the targets that it was given, and the next to use them has others: work on a copy"
    return "" if torch.equal(given[0], logits) else "it changed the scores that it was given: work on a copy"


def _fast(attempt: Attempt) -> str:
    logits, targets = torch.randn(8_192, 8), torch.arange(8_192) % 8
    instead = "let one operation of PyTorch go over all rows, not a loop"
    return slow_hint(attempt, lambda: attempt["cross_entropy"](logits, targets), "8,192 rows", instead)


CHECKS = (
    Check("a blind guess among eight costs ln 8", _blind_guess),
    Check("the mean of -ln softmax(z)_t", _numbers),
    Check("scores of a thousand", _large_scores),
    Check("targets of -100 are left out", _left_out),
    Check("the scores and targets are left as they were", _inputs_stay),
    Check("its gradient is right", _gradient),
    Check("all rows at once", _fast),
)

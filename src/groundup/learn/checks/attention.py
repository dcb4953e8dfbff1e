"""Checks of `attention`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from groundup.learn.checking import Attempt, Check, gradient_hint, hint_for, slow_hint


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)


def _weighted(scores: Tensor, value: Tensor, dim: int = -1) -> Tensor:
    return torch.softmax(scores, dim=dim) @ value


def _shape(attempt: Attempt) -> str:
    found = attempt["attention"](*_inputs())
    if isinstance(found, Tensor) and found.shape == (2, 3, 4):
        return (
            "the result is as wide as the keys: it should be a mean of the values, so multiply the weights with value"
        )
    if isinstance(found, Tensor) and found.shape == (2, 3, 5):
        return (
            "these are weights, one for each key: what is wanted is the mean of the values under them, weights @ value"
        )
    if not isinstance(found, Tensor) or found.shape != (2, 3, 6):
        return hint_for(found, torch.zeros(2, 3, 6), [], "")
    return ""


def _rows_sum_to_one(attempt: Attempt) -> str:
    query, key, value = _inputs()
    scores = query @ key.transpose(-2, -1)
    ones, root = torch.ones_like(value), math.sqrt(4)
    wrong_axis = "rows should sum to 1: the softmax runs over the wrong axis; it belongs on the keys, dim=-1"
    no_softmax = "rows should sum to 1: the scores are used as they are; a softmax makes weights of them"
    batch_axis = "rows should sum to 1: the softmax runs over the batch; it belongs on the keys, dim=-1"
    mistakes = [(_weighted(scores / by, ones, dim=-2), wrong_axis) for by in (1, root, 4)]
    mistakes += [(_weighted(scores / by, ones, dim=0), batch_axis) for by in (1, root, 4)]
    mistakes += [(scores / by @ ones, no_softmax) for by in (1, root, 4)]
    otherwise = "rows should sum to 1: a mean of values that are all 1 is 1, and this one is not"
    return hint_for(attempt["attention"](query, key, ones), torch.ones(2, 3, 6), mistakes, otherwise)


def _right_without_a_mask(attempt: Attempt) -> str:
    query, key, value = _inputs()
    scores = query @ key.transpose(-2, -1)
    mistakes = [
        (
            _weighted(scores, value),
            "the scores are not scaled: divide them by the root of K, the width of a query, before the softmax",
        ),
        (_weighted(scores / 4, value), "the scores are divided by K, and should be by its root"),
        (_weighted(scores * 2, value), "the scores are multiplied with the root of K, and should be divided by it"),
        (
            _weighted(scores / math.sqrt(5), value),
            "the root is of the number of keys, and should be of K, the width of a query",
        ),
        (
            _weighted(scores / math.sqrt(3), value),
            "the root is of the number of queries, and should be of K, the width of a query",
        ),
        (
            _weighted(scores / math.sqrt(2), value),
            "the root is of the size of the batch, and should be of K, the width of a query",
        ),
        (
            _weighted((scores / 2).masked_fill(torch.ones(3, 5).triu(1) == 1, -torch.inf), value),
            "the future is hidden, and no mask was given: what may be seen is for `mask` to say",
        ),
        (
            _weighted(scores, value) / 2,
            "the scaling comes too late: divide the scores by the root of K before the softmax, not the result",
        ),
        (
            _weighted(scores / math.sqrt(6), value),
            "the root is of the width of the values, and should be of that of a query",
        ),
    ]
    right = _weighted(scores / 2, value)
    return hint_for(
        attempt["attention"](query, key, value),
        right,
        mistakes,
        "the numbers are others than softmax(Q Kᵀ / √K) V gives",
    )


def _mask_hides(attempt: Attempt) -> str:
    query, key, value = torch.randn(2, 4, 4), torch.randn(2, 4, 4), torch.randn(2, 4, 6)
    mask = torch.full((4, 4), -torch.inf).triu(1)
    scores = query @ key.transpose(-2, -1) / 2
    hidden = mask == -torch.inf
    weights = torch.softmax(scores, dim=-1)
    mistakes = [
        (weights @ value, "the mask changes nothing: add it to the scores before the softmax"),
        (_weighted(scores * mask, value), "the mask is multiplied with the scores: add it to them"),
        (_weighted(scores - mask, value), "the mask is subtracted, and minus -inf is inf: add it to the scores"),
        (
            weights.masked_fill(hidden, 0.0) @ value,
            "the mask comes after the softmax, so the rest of each row sums to less than 1: add it before",
        ),
        (
            _weighted(scores.masked_fill(~hidden, -torch.inf), value),
            "the mask is taken the wrong way round: -inf is where a query may not look",
        ),
        (
            _weighted(scores.masked_fill(hidden, 0.0), value),
            "a hidden score of 0 is not hidden: exp(0) is 1; it has to become -inf",
        ),
    ]
    return hint_for(
        attempt["attention"](query, key, value, mask),
        _weighted(scores + mask, value),
        mistakes,
        "with the mask added to the scores the result would be another",
    )


def _hidden_changes_nothing(attempt: Attempt) -> str:
    query, key, value = torch.randn(1, 4, 4), torch.randn(1, 4, 4), torch.randn(1, 4, 6)
    mask = torch.full((4, 4), -torch.inf).triu(1)
    before = attempt["attention"](query, key, value, mask)
    key[:, -1], value[:, -1] = 100.0, -100.0
    after = attempt["attention"](query, key, value, mask)
    return "" if torch.equal(before[:, :-1], after[:, :-1]) else "what the mask hides still changes the result"


def _any_mask(attempt: Attempt) -> str:
    query, key, value = _inputs()
    mask = torch.zeros(3, 5)
    mask[:, 1] = mask[0, 3] = mask[1, 0] = -torch.inf  # as for padding: nothing to do with the future
    scores = query @ key.transpose(-2, -1) / 2
    causal = torch.full((3, 5), -torch.inf).triu(1)
    mistakes = [(_weighted(scores + causal, value), "it hides the future, whatever the mask says: add the mask itself")]
    otherwise = "with a mask that hides other places than the future it is wrong"
    return hint_for(attempt["attention"](query, key, value, mask), _weighted(scores + mask, value), mistakes, otherwise)


def _large_scores(attempt: Attempt) -> str:
    query, key, value = _inputs()
    right = _weighted(1000 * query @ key.transpose(-2, -1) / 2, value)
    otherwise = "with scores of 1,000 it is wrong: exp of them is infinite; take off each row's largest first, or use torch.softmax"
    return hint_for(attempt["attention"](1000 * query, key, value), right, [], otherwise)


def _other_shapes(attempt: Attempt) -> str:
    name_axes = "name the last two axes from behind, as in transpose(-2, -1)"
    for before, what in (((2, 3), "heads, (batch, heads, tokens, width)"), ((), "one text alone, (tokens, width)")):
        query, key, value = torch.randn(*before, 4, 8), torch.randn(*before, 5, 8), torch.randn(*before, 5, 8)
        mask = torch.full((4, 5), -torch.inf).triu(1)
        right = _weighted(query @ key.transpose(-2, -1) / math.sqrt(8) + mask, value)
        otherwise = f"with {what}, it is wrong: {name_axes}"
        try:
            hint = hint_for(attempt["attention"](query, key, value, mask), right, [], otherwise)
        except (RuntimeError, IndexError, ValueError):  # shapes that don't fit
            hint = otherwise
        if hint:
            return hint
    return ""


def _inputs_stay(attempt: Attempt) -> str:
    inputs = _inputs()
    before = [one.clone() for one in inputs]
    mask = torch.zeros(3, 5)
    attempt["attention"](*inputs, mask)
    same = all(torch.equal(one, other) for one, other in zip(inputs, before, strict=True)) and not mask.any()
    return "" if same else "it changed its inputs: an operation that ends in _ , or +=, writes into what it was given"


def _gradient(attempt: Attempt) -> str:
    return gradient_hint(attempt["attention"], *_inputs())


def _fast(attempt: Attempt) -> str:
    one = torch.randn(1, 96, 8)
    instead = "let one product of matrices make all scores, not a loop over queries and keys"
    return slow_hint(attempt, lambda: attempt["attention"](one, one, one), "96 queries and 96 keys", instead)


CHECKS = (
    Check("a vector as wide as a value for each query", _shape),
    Check("the weights of each query sum to 1", _rows_sum_to_one),
    Check("softmax(Q Kᵀ / √K) V, number by number", _right_without_a_mask),
    Check("the inputs are left as they were", _inputs_stay),
    Check("the mask is added before the softmax", _mask_hides),
    Check("any other mask, too", _any_mask),
    Check("what is hidden changes nothing", _hidden_changes_nothing),
    Check("scores of a thousand", _large_scores),
    Check("heads and batches stay apart, and one text will do", _other_shapes),
    Check("its gradient is right, so it can learn", _gradient),
    Check("all queries and keys at once", _fast),
)

"""Checks of `causal_mask`."""

from __future__ import annotations

import torch

from groundup.learn.checking import Attempt, Check, hint_for, slow_hint

INF = torch.inf


def _by_hand(attempt: Attempt) -> str:
    found = attempt["causal_mask"](3)
    right = torch.tensor([[0.0, -INF, -INF], [0.0, 0.0, -INF], [0.0, 0.0, 0.0]])
    if isinstance(found, torch.Tensor) and found.dtype == torch.bool:
        return "it is a matrix of True and False: what is added to the scores has to be numbers, 0 and -inf"
    if isinstance(found, torch.Tensor) and found.isnan().any():
        return (
            "there is NaN in it: 0 times -inf is NaN, so don't multiply by -inf; put it where it belongs (masked_fill)"
        )
    mistakes = [
        (
            right.T,
            "it is the wrong way round: here a token looks at those after it; the -inf belong above the diagonal (triu)",
        ),
        (torch.full((3, 3), -INF).triu(0), "a token may look at itself: the diagonal is 0 (diagonal=1)"),
        (
            torch.full((3, 3), -INF).triu(2),
            "each token sees the one after it, which is the answer: the first -inf stands right beside the diagonal (diagonal=1)",
        ),
        (torch.ones(3, 3).tril(), "these are ones and zeros: a score is hidden by -inf, and left alone by 0"),
        (torch.ones(3, 3).triu(1), "these are ones and zeros: a score is hidden by -inf, and left alone by 0"),
        (-right, "the sign is wrong: +inf would give all the weight to what must not be seen"),
        (
            right.minimum(right.T),
            "each token sees itself alone: it may look at those before it, too; below the diagonal stands 0",
        ),
    ]
    if isinstance(found, torch.Tensor) and found.shape == (3, 3) and _large_instead_of_infinite(found):
        return f"{found[0, 1]:.3g} is nearly enough; -inf gives a weight of exactly 0, in every number format"
    otherwise = "for a length of 3 it is not the matrix of the story: 0 on the diagonal and below it, -inf above"
    return hint_for(found, right, mistakes, otherwise)


def _large_instead_of_infinite(found: torch.Tensor) -> bool:
    """Whether it is the right mask but for a large negative number where -inf belongs."""
    hidden = torch.ones(3, 3).triu(1) == 1
    return bool((found[~hidden] == 0).all() and ((found[hidden] > -INF) & (found[hidden] <= -1000)).all())


def _other_lengths(attempt: Attempt) -> str:
    for length in (1, 2, 7, 50):
        right = torch.full((length, length), -INF).triu(1)
        hint = hint_for(attempt["causal_mask"](length), right, [], f"for a length of {length} it is wrong")
        if hint:
            return hint
    return ""


def _weights_are_even(attempt: Attempt) -> str:
    weights = torch.softmax(torch.zeros(4, 4) + attempt["causal_mask"](4), dim=-1)
    right = torch.ones(4, 4).tril() / torch.arange(1.0, 5.0)[:, None]
    return hint_for(
        weights, right, [], "after a softmax of equal scores, token t should share itself evenly over t + 1 tokens"
    )


def _fast(attempt: Attempt) -> str:
    instead = "let triu or a comparison of places fill it, not a loop over rows and columns"
    return slow_hint(attempt, lambda: attempt["causal_mask"](300), "a mask for 300 tokens", instead)


CHECKS = (
    Check("three tokens, by hand", _by_hand),
    Check("one, two, seven and fifty tokens", _other_lengths),
    Check("a softmax makes even shares of what may be seen", _weights_are_even),
    Check("many tokens at once", _fast),
)

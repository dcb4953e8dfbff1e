"""Checks of `next_token_probabilities`."""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.learn.checking import Attempt, Check, hint_for, slow_hint

WANTED = "next_token_probabilities"
PROBABILITIES = torch.tensor([0.05, 0.4, 0.15, 0.3, 0.1])
LOGITS = PROBABILITIES.log() + 3.0


def _run(attempt: Attempt, **settings: float) -> object:
    """What it makes of scores of its own, so that one that writes into them spoils no other check."""
    return attempt[WANTED](LOGITS.clone(), **settings)


def _temperature(attempt: Attempt) -> str:
    hint = hint_for(
        _run(attempt),
        PROBABILITIES,
        [(LOGITS, "the scores come back as they are: a softmax makes probabilities of them")],
        "with a temperature of 1 it is the softmax of the scores",
    )
    if hint:
        return hint
    right = torch.softmax(LOGITS / 0.5, dim=0)
    mistakes = [
        (
            torch.softmax(LOGITS * 0.5, dim=0),
            "the scores are multiplied with the temperature, and should be divided by it",
        ),
        (
            PROBABILITIES / 0.5,
            "the temperature divides the probabilities: it belongs before the softmax, on the scores",
        ),
        (PROBABILITIES, "the temperature changes nothing"),
    ]
    return hint_for(
        _run(attempt, temperature=0.5),
        right,
        mistakes,
        "with a temperature of 0.5 it is softmax(logits / 0.5)",
    )


def _zero(attempt: Attempt) -> str:
    found = attempt[WANTED](torch.tensor([1.0, 3.0, 3.0, 2.0]), temperature=0.0)
    both = torch.tensor([0.0, 0.5, 0.5, 0.0])
    mistakes = [(both, "of two equal scores the first has all the probability, as argmax gives it")]
    return hint_for(
        found,
        torch.tensor([0.0, 1.0, 0.0, 0.0]),
        mistakes,
        "at a temperature of 0 the likeliest token has a probability of 1: take that case by itself, before dividing",
    )


def _kept(*places: int, of: Tensor = PROBABILITIES) -> Tensor:
    kept = torch.zeros(5)
    kept[list(places)] = of[list(places)]
    return kept / kept.sum()


def _top_k(attempt: Attempt) -> str:
    raw, hidden = _kept(1, 3) * 0.7, _kept(1, 3) == 0
    mistakes = [
        (
            LOGITS.masked_fill(hidden, 0.0).softmax(dim=0),
            "a dropped score of 0 is not dropped: exp(0) is 1; before the softmax it has to become -inf",
        ),
        (
            PROBABILITIES.masked_fill(hidden, -torch.inf).softmax(dim=0),
            "the softmax was taken twice: of probabilities there is no other, what is left is divided by its sum",
        ),
        (_kept(1), "only those above the k-th are left: the k-th stays, too"),
        (raw, "what is left should be divided by its sum"),
        (PROBABILITIES, "top_k changes nothing"),
        (_kept(0, 4), "these are the least likely: keep the largest"),
        (_kept(0, 1), "these are the first two tokens: keep the two likeliest, and each in its place"),
        (
            torch.tensor([4 / 7, 3 / 7, 0.0, 0.0, 0.0]),
            "the tokens have changed places: a sorted list forgets which token each belongs to",
        ),
    ]
    return hint_for(
        _run(attempt, top_k=2),
        _kept(1, 3),
        mistakes,
        "with top_k = 2 only the two likeliest keep their probability",
    )


def _top_k_too_large(attempt: Attempt) -> str:
    return hint_for(_run(attempt, top_k=99), PROBABILITIES, [], "a top_k above the number of tokens is no limit")


def _top_p(attempt: Attempt) -> str:
    mistakes = [
        (_kept(1, 3), "the token that reaches p is lost: 0.4 + 0.3 is below 0.75, so the one of 0.15 stays, too"),
        (PROBABILITIES, "top_p changes nothing: is it looked at, and does the sum begin with the likeliest?"),
        (
            torch.tensor([0.4, 0.3, 0.15, 0.0, 0.0]) / 0.85,
            "the tokens have changed places: a sorted list forgets which token each belongs to",
        ),
        (_kept(1, 3, 2) * 0.85, "what is left should be divided by its sum"),
        (
            _kept(1),
            "only the likeliest is left: the sum runs from the likeliest downwards, and whoever begins below p stays",
        ),
        (_kept(0, 1, 2), "the sum runs over the tokens in their own order: sort them by probability first"),
    ]
    return hint_for(
        _run(attempt, top_p=0.75),
        _kept(1, 3, 2),
        mistakes,
        "with top_p = 0.75 the tokens of 0.4, 0.3 and 0.15 stay",
    )


def _never_empty(attempt: Attempt) -> str:
    hint = hint_for(
        _run(attempt, top_p=0.01),
        _kept(1),
        [],
        "with a small top_p the likeliest token still stays: it is the one that reaches p",
    )
    return hint or hint_for(_run(attempt, top_p=1.0), PROBABILITIES, [], "with top_p = 1 all stay")


def _together(attempt: Attempt) -> str:
    right = _kept(1, 3)
    mistakes = [
        (_kept(1, 3, 2), "top_p counts the probabilities from before top_k: make what top_k has left sum to 1 first"),
    ]
    return hint_for(
        _run(attempt, top_k=3, top_p=0.8),
        right,
        mistakes,
        "after top_k = 3 the tokens have 0.47, 0.35 and 0.18: the first two reach 0.8",
    )


def _after_temperature(attempt: Attempt) -> str:
    tempered = torch.softmax(LOGITS / 2, dim=0)  # 0.11, 0.30, 0.18, 0.26, 0.15
    mistakes = [
        (
            _kept(1, 3, of=tempered),
            "top_p counts the probabilities from before the temperature: the temperature comes first, on the scores",
        ),
        (_kept(1, 3), "with top_p the temperature is forgotten"),
    ]
    return hint_for(
        _run(attempt, temperature=2.0, top_p=0.6),
        _kept(1, 3, 2, of=tempered),
        mistakes,
        "at a temperature of 2 the tokens have 0.11, 0.30, 0.18, 0.26 and 0.15: those of 0.30, 0.26 and 0.18 reach 0.6",
    )


def _exactly_p(attempt: Attempt) -> str:
    found = attempt[WANTED](torch.zeros(4), top_p=0.5)  # 0.25 each: two of them are exactly a half
    kept = int((found > 0).sum())
    return (
        ""
        if kept == 2
        else f"of four equal tokens two have 0.5 together, which is enough for top_p = 0.5; it kept {kept}"
    )


def _large_scores(attempt: Attempt) -> str:
    right = torch.softmax(LOGITS / 0.005, dim=0)
    otherwise = (
        "with large scores it is wrong: exp of them is infinite; take off the largest first, or use torch.softmax"
    )
    return hint_for(_run(attempt, temperature=0.005), right, [], otherwise)


def _inputs_stay(attempt: Attempt) -> str:
    for temperature in (0.0, 0.7, 1.0):
        logits = LOGITS.clone()
        attempt[WANTED](logits, temperature, 2, 0.5)
        if not torch.equal(logits, LOGITS):
            return "it changed the scores that it was given: work on a copy"
    return ""


def _fast(attempt: Attempt) -> str:
    logits = torch.linspace(0, 1, 20_000)
    instead = "sort once, and let cumsum add up, not a loop over tokens"
    return slow_hint(
        attempt, lambda: attempt[WANTED](logits, top_k=19_000, top_p=0.9), "a choice among 20,000 tokens", instead
    )


CHECKS = (
    Check("temperature divides the scores", _temperature),
    Check("a temperature of 0", _zero),
    Check("top_k keeps the k likeliest, in their places", _top_k),
    Check("a top_k larger than the vocabulary", _top_k_too_large),
    Check("top_p keeps the one that reaches p", _top_p),
    Check("top_p never keeps none, and 1 keeps all", _never_empty),
    Check("top_p stops where p is reached exactly", _exactly_p),
    Check("top_k, then top_p of what is left", _together),
    Check("the temperature, then top_p", _after_temperature),
    Check("a temperature near 0", _large_scores),
    Check("the scores are left as they were", _inputs_stay),
    Check("a large vocabulary at once", _fast),
)

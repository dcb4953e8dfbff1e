"""Checks of `private_gradient`."""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.learn.checking import Attempt, Check, hint_for, slow_hint


def _run(
    attempt: Attempt, gradients: Tensor, clip: float = 1.0, noise: float = 0.0, size: float = 1.0, seed: int = 0
) -> Tensor:
    found: Tensor = attempt["private_gradient"](gradients, clip, noise, size, torch.Generator().manual_seed(seed))
    return found


def _short_rows_stay(attempt: Attempt) -> str:
    rows = torch.tensor([[0.3, 0.4], [0.0, -0.2]])
    mistakes = [
        (
            torch.tensor([0.6, -0.2]),
            "all rows were brought to the length clip_norm: only longer ones are scaled down, shorter ones stay",
        ),
        (torch.tensor([0.15, 0.1]), "this is the mean: sum the rows, and divide by expected_size (here 1)"),
    ]
    return hint_for(
        _run(attempt, rows),
        torch.tensor([0.3, 0.2]),
        mistakes,
        "rows shorter than clip_norm, without noise, should simply be summed",
    )


def _long_rows_are_scaled(attempt: Attempt) -> str:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.5], [-6.0, 8.0]])
    lengths = rows.norm(dim=1, keepdim=True)
    right = (rows * (1 / lengths).clamp(max=1)).sum(dim=0)
    total = rows.sum(dim=0)
    mistakes = [
        (total, "nothing was clipped: scale each row down to the length clip_norm"),
        (
            total / total.norm(),
            "the sum was clipped: each row has to be, by itself, or one long row still decides everything",
        ),
        (
            rows.clamp(-1, 1).sum(dim=0),
            "each number was cut off at clip_norm: the row's length is what counts, so scale the whole row",
        ),
        (
            (rows / rows.abs().sum(dim=1, keepdim=True).clamp(min=1)).sum(dim=0),
            "the length is the root of the sum of squares, not the sum of absolute values",
        ),
        (
            (rows / (rows**2).sum(dim=1, keepdim=True).clamp(min=1)).sum(dim=0),
            "the length is the root of the sum of squares, and the root is missing",
        ),
        (
            (rows / rows.norm().clamp(min=1)).sum(dim=0),
            "all rows were scaled by one length, that of all of them together: each has its own (dim=1)",
        ),
        (
            (rows * (1 / rows.norm(dim=0)).clamp(max=1)).sum(dim=0),
            "the length was taken over the batch: it is that of a row (dim=1)",
        ),
    ]
    return hint_for(
        _run(attempt, rows), right, mistakes, "rows longer than clip_norm should be scaled down to it, and then summed"
    )


def _other_clip_norms(attempt: Attempt) -> str:
    rows = torch.tensor([[3.0, 4.0]])
    right = torch.tensor([1.2, 1.6])
    mistakes = [(right / 2, "the row was brought to the length 1: it should be clip_norm, here 2")]
    return hint_for(
        _run(attempt, rows, clip=2.0),
        right,
        mistakes,
        "a row of length 5 with a clip_norm of 2 should be two fifths of itself",
    )


def _zeros(attempt: Attempt) -> str:
    return hint_for(
        _run(attempt, torch.zeros(2, 3)),
        torch.zeros(3),
        [],
        "a row of zeros has the length 0, and mustn't be divided by it",
    )


def _expected_size(attempt: Attempt) -> str:
    rows = torch.tensor([[0.3, 0.4], [0.0, -0.2]])
    right = torch.tensor([0.3, 0.2]) / 8
    mistakes = [
        (torch.tensor([0.3, 0.2]), "it isn't divided by expected_size"),
        (torch.tensor([0.15, 0.1]), "it is divided by how many were drawn, which is a secret: divide by expected_size"),
    ]
    return hint_for(_run(attempt, rows, size=8.0), right, mistakes, "the sum should be divided by expected_size")


def _noise(attempt: Attempt) -> str:
    rows = torch.zeros(4, 20_000)
    found = _run(attempt, rows, clip=2.0, noise=1.5, size=10.0)
    if found.shape != (20_000,):
        return hint_for(found, torch.zeros(20_000), [], "")
    spread, right = float(found.std()), 1.5 * 2.0 / 10
    if abs(float(found.mean())) > 0.05 * spread:
        if spread < 0.01 * right:
            return "one number was drawn for all N: each of the N gets its own"
        return "the noise is not around 0: normal numbers are, torch.randn"
    wrong = {
        0.0: "no noise was added",
        1.5
        / 10: "the noise is noise_multiplier alone: it is to be times clip_norm, which is as much as one text can add",
        1.5 * 2: "the noise was added after the division: add it to the sum, and then divide",
        1.5 * 2 * 2 / 10: "each of the four rows got noise of its own: it is added once, to the sum",
        2.0 / 10: "the noise is clip_norm alone: it is to be times noise_multiplier",
        (1.5 * 2) ** 0.5
        / 10: "the spread is the root of what it should be: randn has the spread 1, and is multiplied with σ · C",
    }
    if abs(spread - right) < 0.03 * right:
        far = float((found.abs() > 2 * right).float().mean())  # of normal numbers 4.6 % lie beyond two deviations
        return (
            "" if 0.03 < far < 0.06 else "the noise has the right spread, and is not normal: draw it with torch.randn"
        )
    told = [hint for size, hint in wrong.items() if abs(spread - size) < 0.03 * max(size, 0.01)]
    return (
        told[0]
        if told
        else f"the noise has a spread of {spread:.3f}, and should have noise_multiplier · clip_norm / expected_size = {right:.3f}"
    )


def _generator(attempt: Attempt) -> str:
    rows = torch.zeros(1, 50)
    one, again, other = (_run(attempt, rows, noise=1.0, seed=seed) for seed in (1, 1, 2))
    if not torch.equal(one, again):
        return "the same generator gave other noise: draw with generator=generator"
    return "two generators gave the same noise" if torch.equal(one, other) else ""


def _empty(attempt: Attempt) -> str:
    found = _run(attempt, torch.zeros(0, 5000), noise=1.0, size=2.0)
    if found.shape != (5000,) or not found.isfinite().all():
        return "an empty batch should give noise alone, (N,)"
    return (
        ""
        if abs(float(found.std()) - 0.5) < 0.05
        else "an empty batch should give noise alone: whether anybody was drawn is a secret, too"
    )


def _inputs_stay(attempt: Attempt) -> str:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.5]])
    given = rows.clone()
    _run(attempt, given)
    return "" if torch.equal(given, rows) else "it changed the gradients that it was given: scale a copy of them"


def _fast(attempt: Attempt) -> str:
    rows = torch.randn(16, 4096)
    return slow_hint(
        attempt,
        lambda: _run(attempt, rows),
        "16 rows of 4,096 numbers",
        "let one operation of PyTorch go over a whole row, or all of them, not a loop over numbers",
    )


CHECKS = (
    Check("short rows are summed", _short_rows_stay),
    Check("long rows are scaled down, each by itself", _long_rows_are_scaled),
    Check("to the length clip_norm", _other_clip_norms),
    Check("rows of zeros", _zeros),
    Check("divided by the size that is expected", _expected_size),
    Check("noise of σ · C, once, before the division", _noise),
    Check("the noise comes from the generator", _generator),
    Check("an empty batch is all noise", _empty),
    Check("the rows are left as they were", _inputs_stay),
    Check("whole rows at once", _fast),
)

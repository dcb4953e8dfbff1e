"""What is decided before the first private step: who is drawn how often, how much noise there is, and how long the budget lasts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from groundup.config import require
from groundup.errors import SettingError
from groundup.training.privacy.accountant import Ledger, add_steps, epsilon_spent, noise_for, steps_within
from groundup.training.privacy.settings import MOST_NOISE, Accountant
from groundup.training.settings import TrainingSettings

OUTSIDE = (
    "the tokenizer, if it was learned from these documents",
    "which documents were kept: filters, duplicates, and the split",
    "settings that were chosen by trying them on these documents",
    "the held-out documents, by which the best checkpoint is chosen and training may end early",
    "what the run's records, the model's card and the evidence beside it tell of the documents: losses, counts, names, hashes",
    "the model that training began with, if it had read any of this",
)
"""What ε says nothing about."""


@dataclass(frozen=True)
class PrivacyPlan:
    """How each step is made private, and what may be spent."""

    num_documents: int
    """N, which counts as known to all."""
    expected_rows: int
    """L: how many rows a step reads on average, by which the noisy sum is divided."""
    noise_multiplier: float
    clip_norm: float
    delta: float
    epsilon: float
    """The budget; inf where there is none."""
    accountant: Accountant

    @property
    def sample_rate(self) -> float:
        """With which probability a step reads a document: L / N."""
        return self.expected_rows / self.num_documents

    def spent(self, ledger: Ledger, accountant: Accountant | None = None) -> float:
        """ε of what a ledger holds."""
        return epsilon_spent(ledger, self.delta, accountant or self.accountant)

    def after(self, ledger: Ledger, steps: int) -> Ledger:
        """The ledger after so many steps more of this plan."""
        return add_steps(ledger, self.sample_rate, self.noise_multiplier, steps)

    def steps_left(self, ledger: Ledger, most: int) -> int:
        """How many steps, up to `most`, may follow on a ledger before the budget is passed."""
        if self.epsilon == math.inf:
            return most
        return steps_within(lambda steps: self.spent(self.after(ledger, steps)), self.epsilon, most)

    def record(self) -> dict[str, Any]:
        """What a run's manifest says of it, as JSON values."""
        plain = asdict(self) | {"epsilon": finite(self.epsilon), "sample_rate": self.sample_rate}
        return {"unit": "document", "adjacency": "add or remove one", **plain, "outside": list(OUTSIDE)}


def plan_privacy(training: TrainingSettings, num_documents: int) -> PrivacyPlan:
    """The plan for `training.max_steps` steps over so many documents.

    Raises `SettingError` for a budget that is out of reach, saying what is within, for a δ that would allow a whole document to be
    given away, and for too few documents; `MissingExtraError` without Opacus.
    """
    settings, rows, steps = training.privacy, training.batch_size, training.max_steps
    require(
        rows <= num_documents > 1,
        "training.batch_size",
        rows,
        f"each step draws from {num_documents:,} document{'s' if num_documents != 1 else ''}, at most one row of each: "
        + (f"use at most {num_documents}, or " if num_documents > 1 else "")
        + "give the text as more documents, such as the rows of a .jsonl file",
    )
    delta = settings.delta or num_documents**-1.1
    require(
        delta < 1 / num_documents,
        "training.privacy.delta",
        delta,
        f"with {num_documents:,} documents that would allow one of them to be given away whole; use far less than "
        f"{1 / num_documents:.2g}, or 0 for {num_documents**-1.1:.2g}",
    )
    budget = settings.epsilon or math.inf
    plan = PrivacyPlan(
        num_documents, rows, settings.noise_multiplier, settings.clip_norm, delta, budget, settings.accountant
    )
    if settings.epsilon == math.inf:
        return plan
    if not settings.noise_multiplier:
        noise = noise_for(budget, delta, plan.sample_rate, steps, settings.accountant)
        if noise is None:
            loudest = _with_noise(plan, MOST_NOISE)
            raise _out_of_reach(loudest, steps, f"even with noise_multiplier = {MOST_NOISE:g}, the greatest, {steps:,}")
        return _with_noise(plan, noise)
    if plan.steps_left((), steps) == 0:
        raise _out_of_reach(plan, 1, f"with noise_multiplier = {plan.noise_multiplier:g}, already 1")
    return plan


def describe_privacy(plan: PrivacyPlan, max_steps: int) -> list[str]:
    """What is said before training begins."""
    drawn = f"each of {plan.num_documents:,} documents is read with probability {plan.sample_rate:.3g} a step"
    if not plan.noise_multiplier:
        return [
            f"warning: training.privacy.epsilon = inf protects nobody: {drawn}, and clipped to {plan.clip_norm:g}, without noise"
        ]
    steps = plan.steps_left((), max_steps)
    spent = plan.spent(plan.after((), steps))
    lines = [
        f"private training: {drawn}, clipped to {plan.clip_norm:g}, with noise {plan.noise_multiplier:.4g} times that; "
        f"{steps:,} steps spend ε = {rounded_up(spent)} at δ = {rounded_up(plan.delta, 2)} ({plan.accountant})"
    ]
    if steps < max_steps:
        lines.append(
            f"warning: training.privacy.epsilon = {plan.epsilon:g} lasts for {steps:,} of training.max_steps = {max_steps:,}: "
            "training will end there, wherever the learning rate is by then"
        )
    return [*lines, f"outside of ε: {'; '.join(OUTSIDE)}"]


def rounded_up(bound: float, digits: int = 3) -> str:
    """A bound to so many digits, and never less than it is: what was rounded down would promise too much."""
    if not 0 < bound < math.inf:
        return f"{bound:g}"
    places = digits - 1 - math.floor(math.log10(bound))
    return f"{float(Decimal(str(bound)).quantize(Decimal(1).scaleb(-places), ROUND_CEILING)):g}"


def finite(number: float) -> float | None:
    """As JSON has it: None for inf."""
    return number if math.isfinite(number) else None


def _with_noise(plan: PrivacyPlan, noise: float) -> PrivacyPlan:
    return PrivacyPlan(**{**asdict(plan), "noise_multiplier": noise})


def _out_of_reach(plan: PrivacyPlan, steps: int, what: str) -> SettingError:
    least = plan.spent(plan.after((), steps))
    return SettingError(
        "training.privacy.epsilon",
        plan.epsilon,
        f"out of reach: {what} step{'s' if steps != 1 else ''} at a sample rate of {plan.sample_rate:.3g} (training.batch_size = "
        f"{plan.expected_rows} of {plan.num_documents:,} documents) come{'' if steps != 1 else 's'} to ε = {rounded_up(least)} at δ = "
        f"{rounded_up(plan.delta, 2)}: ask for at least that, or "
        + ("raise the noise_multiplier, or " if plan.noise_multiplier < MOST_NOISE else "take fewer steps, or ")
        + "draw fewer (a lower training.batch_size, more documents)",
    )

"""What steps spend, held to Google's dp-accounting and to closed forms; budgets that are kept, and those that are out of reach."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from groundup.errors import MissingExtraError, SettingError
from groundup.textbook.dp_sgd import epsilon_of_whole_batches
from groundup.training.privacy.accountant import (
    Ledger,
    Spent,
    _accountants,
    add_steps,
    epsilon_spent,
    noise_for,
    steps_within,
)
from groundup.training.privacy.plan import OUTSIDE, describe_privacy, plan_privacy, rounded_up
from groundup.training.privacy.settings import Accountant, PrivateTrainingSettings
from groundup.training.settings import TrainingSettings

PUBLISHED = (Spent(0.01, 1.0, 1000),)


def test_the_published_case() -> None:
    assert epsilon_spent(PUBLISHED, 1e-5, "rdp") == pytest.approx(2.101, abs=5e-4)
    assert epsilon_spent(PUBLISHED, 1e-5, "prv") == pytest.approx(1.838, abs=1e-3)


@pytest.mark.parametrize("ledger", [PUBLISHED, (Spent(0.02, 0.8, 200), Spent(0.01, 1.5, 300))])
def test_dp_accounting_agrees(ledger: tuple[Spent, ...]) -> None:
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    rdp, pld = RdpAccountant(), PLDAccountant(value_discretization_interval=1e-3)
    for accountant in (rdp, pld):
        for rate, noise, steps in ledger:
            accountant.compose(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), steps)
    assert epsilon_spent(ledger, 1e-5, "rdp") == pytest.approx(rdp.get_epsilon(1e-5), rel=0.01)
    assert epsilon_spent(ledger, 1e-5, "prv") == pytest.approx(pld.get_epsilon(1e-5), rel=0.01)


@pytest.mark.parametrize(
    ("spent", "delta", "rdp", "pld"),
    [
        (Spent(1.0, 20.0, 100), 1e-5, 2.1657, 1.9931),
        (Spent(0.01, 2.0, 20), 1e-5, 0.21013, 0.088386),
        (Spent(0.2, 0.3, 3), 1e-4, 27.618, 24.257),
        (Spent(0.01, 1.0, 1000), 1e-10, 3.7252, 3.2905),
    ],
)
def test_dp_accounting_agrees_at_the_edges(spent: Spent, delta: float, rdp: float, pld: float) -> None:
    """All of a text, next to nothing, too much, a tiny δ; its figures were computed as above, in steps of 1e-4 (the second: 1e-6)."""
    assert epsilon_spent((spent,), delta, "rdp") == pytest.approx(rdp, rel=0.01)
    assert pld <= epsilon_spent((spent,), delta, "prv") == pytest.approx(pld, rel=0.01)


def test_sums_of_a_number_of_points_that_is_quick_are_opacus_own() -> None:
    from opacus.accountants import PRVAccountant

    own, quick = PRVAccountant(), _accountants()[1]()
    own.history = quick.history = [(1.5, 0.01, 30), (2.0, 0.02, 21)]
    assert quick.get_epsilon(1e-5, eps_error=0.05) == pytest.approx(own.get_epsilon(1e-5, eps_error=0.05), rel=1e-4)
    size = len(quick._get_dprv(0.05, 1e-8))
    assert size >= len(own._get_dprv(0.05, 1e-8))
    for small in (2, 3, 5, 7, 11):
        while size % small == 0:
            size //= small
    assert size == 1


@pytest.mark.parametrize(("accountant", "epsilon", "steps"), [("prv", 2.0, 400), ("rdp", 20.0, 300)])
def test_the_least_noise_is_found_in_few_tries(
    accountant: Accountant, epsilon: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = dict[float, float]()

    def spent(ledger: Ledger, delta: float, by: Accountant) -> float:
        found = epsilon_spent(ledger, delta, by)
        return tried.setdefault(ledger[0].noise_multiplier, found) if by == accountant else found

    monkeypatch.setattr("groundup.training.privacy.accountant.epsilon_spent", spent)
    noise = noise_for(epsilon, 1e-5, 0.02, steps, accountant)
    assert noise is not None
    assert tried[noise] <= epsilon
    assert min(abs(noise / other - 1) for other, one in tried.items() if one > epsilon) <= 0.0021
    assert len(tried) <= 9


def test_where_the_closer_bound_cannot_be_computed_the_wider_one_counts() -> None:
    ledger = (Spent(0.01, 1.0, 1000),)
    assert epsilon_spent(ledger, 1e-18, "prv") == epsilon_spent(ledger, 1e-18, "rdp")


def test_whole_batches_have_a_closed_form() -> None:
    """Opacus' conversion to ε is a closer one (Canonne et al. 2020) than Mironov's, so it stays just below."""
    plain = epsilon_of_whole_batches(20.0, 100, 1e-5)
    assert 0.8 * plain < epsilon_spent((Spent(1.0, 20.0, 100),), 1e-5, "rdp") < plain


def test_a_ledger_grows_by_alike_steps_and_by_others() -> None:
    ledger = add_steps(add_steps((), 0.1, 1.0, 3), 0.1, 1.0, 2)
    assert ledger == (Spent(0.1, 1.0, 5),)
    assert add_steps(ledger, 0.1, 2.0, 1) == (Spent(0.1, 1.0, 5), Spent(0.1, 2.0, 1))
    assert add_steps(ledger, 0.1, 2.0, 0) == ledger
    assert epsilon_spent((), 1e-5, "prv") == 0.0
    assert epsilon_spent((Spent(0.1, 0.0, 1),), 1e-5, "prv") == math.inf


def test_noise_is_found_for_a_budget_and_steps_for_noise() -> None:
    noise = noise_for(2.0, 1e-5, 0.01, 1000, "rdp")
    assert noise is not None
    assert 1.98 < epsilon_spent((Spent(0.01, noise, 1000),), 1e-5, "rdp") <= 2.0
    spend = {steps: epsilon_spent((Spent(0.01, 1.0, steps),), 1e-5, "rdp") for steps in (999, 1000, 1001, 1500)}
    found = steps_within(lambda steps: epsilon_spent((Spent(0.01, 1.0, steps),), 1e-5, "rdp"), spend[1000], 1500)
    assert found == 1000
    assert steps_within(lambda steps: float(steps), 0.5, 10) == 0
    assert steps_within(lambda steps: float(steps), 100, 10) == 10


def training(max_steps: int = 50, batch_size: int = 10, **private: Any) -> TrainingSettings:
    settings = PrivateTrainingSettings(**{"accountant": "rdp", **private})
    return TrainingSettings(max_steps=max_steps, batch_size=batch_size, privacy=settings)


def test_a_plan_keeps_its_budget() -> None:
    plan = plan_privacy(training(epsilon=3.0), 500)
    assert plan.sample_rate == 0.02
    assert plan.delta == pytest.approx(500**-1.1)
    assert 2.9 < plan.spent(plan.after((), 50)) <= 3.0
    assert plan.steps_left((), 50) == 50
    assert plan.steps_left(plan.after((), 40), 30) < 30  # what was spent counts
    said = "\n".join(describe_privacy(plan, 50))
    assert "each of 500 documents is read with probability 0.02" in said
    assert all(fact in said for fact in OUTSIDE)
    assert plan.record()["outside"] == list(OUTSIDE)


def test_noise_of_ones_own_ends_training_in_time() -> None:
    plan = plan_privacy(training(epsilon=1.2, noise_multiplier=0.8), 500)
    left = plan.steps_left((), 50)
    assert 0 < left < 50
    assert plan.spent(plan.after((), left)) <= 1.2 < plan.spent(plan.after((), left + 1))
    assert any("lasts for" in line for line in describe_privacy(plan, 50))


def test_no_budget_is_a_budget_without_end_or_no_noise() -> None:
    noisy = plan_privacy(training(noise_multiplier=1.0), 500)
    assert noisy.epsilon == math.inf
    assert noisy.steps_left((), 50) == 50
    assert noisy.record()["epsilon"] is None
    clipped = plan_privacy(training(epsilon=math.inf), 500)
    assert clipped.noise_multiplier == 0
    assert "protects nobody" in describe_privacy(clipped, 50)[0]


def reachable(error: SettingError) -> float:
    return float(str(error).partition("ε = ")[2].split()[0])


def test_a_target_out_of_reach_says_what_is_within() -> None:
    with pytest.raises(SettingError, match="out of reach: even with noise_multiplier = 100") as caught:
        plan_privacy(training(epsilon=0.01, batch_size=500, max_steps=1000), 500)
    within = training(epsilon=reachable(caught.value), batch_size=500, max_steps=1000)
    assert plan_privacy(within, 500).noise_multiplier == pytest.approx(100, rel=0.02)
    with pytest.raises(SettingError, match=r"out of reach: with noise_multiplier = 0\.5, already 1 step ") as caught:
        plan_privacy(training(epsilon=1.0, noise_multiplier=0.5), 500)
    assert plan_privacy(training(epsilon=reachable(caught.value), noise_multiplier=0.5), 500).steps_left((), 50) >= 1


def test_what_a_plan_refuses() -> None:
    with pytest.raises(SettingError, match=r"training.batch_size = 10: each step draws from 5 documents"):
        plan_privacy(training(epsilon=8.0), 5)
    with pytest.raises(SettingError, match=r"draws from 1 document, at most one row of each: give the text as more"):
        plan_privacy(training(epsilon=8.0, batch_size=1), 1)
    with pytest.raises(SettingError, match=r"training.privacy.delta = 0.01: with 500 documents"):
        plan_privacy(training(epsilon=8.0, delta=0.01), 500)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epsilon": -1.0}, "training.privacy.epsilon = -1.0"),
        ({"epsilon": math.nan}, "training.privacy.epsilon = nan"),
        ({"noise_multiplier": 0.1}, "training.privacy.noise_multiplier = 0.1: use a number from 0.2 to 100"),
        ({"noise_multiplier": 1e4}, "training.privacy.noise_multiplier = 10000.0"),
        ({"epsilon": math.inf, "noise_multiplier": 1.0}, "a budget without end"),
        ({"epsilon": 1.0, "delta": 1.0}, "training.privacy.delta = 1.0"),
        ({"epsilon": 1.0, "clip_norm": 0.0}, "training.privacy.clip_norm = 0.0"),
        ({"clip_norm": 0.5}, "training.privacy.clip_norm = 0.5: this asks for nothing without a budget"),
        ({"delta": 1e-6}, "training.privacy.delta = 1e-06: this asks for nothing"),
    ],
)
def test_bad_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message.replace("+", r"\+")):
        PrivateTrainingSettings(**values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation_checkpointing", True),
        ("compile", True),
        ("length_warmup_fraction", 0.5),
        ("spike_sigmas", 6.0),
        ("precision", "fp16"),
        ("memory_budget", "8GB"),
        ("objective", "preference"),
    ],
)
def test_what_would_mix_rows_or_tell_of_them_is_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"training.{name} = .*with training.privacy: "):
        TrainingSettings(privacy=PrivateTrainingSettings(epsilon=8.0), **{name: value})


def test_without_opacus_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)
    epsilon_spent.cache_clear()
    with pytest.raises(MissingExtraError, match=r"groundup\[privacy\]"):
        epsilon_spent(PUBLISHED, 1e-5, "prv")


def test_a_bound_that_is_shown_is_never_less_than_it_is() -> None:
    shown = [rounded_up(bound) for bound in (7.912, 7.99127, 0.00164, 123.4, 8.0, 1e-5, 0.0, math.inf)]
    assert shown == ["7.92", "8", "0.00164", "124", "8", "1e-05", "0", "inf"]
    assert rounded_up(0.001502, 2) == "0.0016"

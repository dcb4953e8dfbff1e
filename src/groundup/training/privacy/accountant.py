"""What noisy steps spend: ε for a δ, of a ledger of how much was drawn, with how much noise, how often.

The arithmetic is Opacus': Rényi divergences (Mironov 2017; Mironov, Talwar & Zhang 2019, Rényi differential privacy of the sampled
Gaussian mechanism), and privacy loss random variables (Gopi, Lee & Wutschitz 2021, Numerical composition of differential privacy). Both
are upper bounds for two sets of documents of which one has one more than the other. Opacus takes seconds to load, so it is only here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from groundup.errors import MissingExtraError
from groundup.training.privacy.settings import LEAST_NOISE, MOST_NOISE, Accountant

ORDERS = [1 + tenth / 10 for tenth in range(1, 100)] + [*range(11, 64), 80, 96, 128, 192, 256, 384, 512, 768, 1024]
TOO_MUCH = 50.0
"""From here on ε promises nothing, and the closer bound would take minutes: Rényi's is given for it."""
MOST_ERROR = 0.01
"""How exact ε by PRV is; Opacus adds as much to what it finds, so…"""
SHARE_OF_ERROR = 0.005
"""…it has to be a small part of the whole, too, as far as"""
MOST_POINTS = 2**22
"""so many numbers tell: more would take gigabytes."""
LEAST_SPENT = 1e-9  # whose logarithm can be taken
TOLERANCE = 1.002  # how much more noise than needed is near enough


class Spent(NamedTuple):
    """Some steps that were alike."""

    sample_rate: float
    noise_multiplier: float
    steps: int


Ledger = tuple[Spent, ...]


def num_steps(ledger: Ledger) -> int:
    """How many steps a ledger counts."""
    return sum(spent.steps for spent in ledger)


def add_steps(ledger: Ledger, sample_rate: float, noise_multiplier: float, steps: int) -> Ledger:
    """The ledger with so many steps more."""
    if not steps:
        return ledger
    if ledger and ledger[-1][:2] == (sample_rate, noise_multiplier):
        return (*ledger[:-1], ledger[-1]._replace(steps=ledger[-1].steps + steps))
    return (*ledger, Spent(sample_rate, noise_multiplier, steps))


@lru_cache(maxsize=1000)
def epsilon_spent(ledger: Ledger, delta: float, accountant: Accountant) -> float:
    """ε at δ of all steps of a ledger; inf if one of them had no noise. Raises `MissingExtraError` without Opacus."""
    rdp_accountant, prv_accountant = _accountants()
    history = [(spent.noise_multiplier, spent.sample_rate, spent.steps) for spent in ledger if spent.sample_rate]
    if not history:
        return 0.0
    if not all(noise for noise, _, _ in history):
        return float("inf")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of orders at the end of the list, and of logarithms of 0, both of which are on the safe side
        rdp = rdp_accountant()
        rdp.history = history
        bound = max(0.0, float(rdp.get_epsilon(delta, alphas=ORDERS)))  # below 0 where δ alone is enough
        if accountant == "rdp" or bound > TOO_MUCH:
            return bound
        prv = prv_accountant()
        prv.history = history
        reach = 3.0 + float(rdp.get_epsilon(delta / 4000, alphas=ORDERS))  # how far its sums go, either way
        least_error = 2 * reach * math.sqrt(num_steps(ledger) * math.log(12_000 / delta) / 2) / MOST_POINTS
        for _ in range(2):  # once more where the first bound was wide, and so the error, too
            wide = bound
            try:
                error = max(min(MOST_ERROR, SHARE_OF_ERROR * wide), least_error)
                bound = min(wide, float(prv.get_epsilon(delta, eps_error=error)))
            except (RuntimeError, ValueError):  # of numbers that its sums can't hold
                break
            if bound > wide / 2:
                break
        return bound


def noise_for(epsilon: float, delta: float, sample_rate: float, steps: int, accountant: Accountant) -> float | None:
    """The least noise multiplier, to 0.2 %, with which so many steps spend no more than ε; None if the greatest spends more.

    The logarithm of ε is nearly a line over that of the noise, so the place where the line through two noises reaches ε is tried next: of
    many steps each try takes seconds.
    """

    def excess(noise: float) -> float:
        spent = epsilon_spent((Spent(sample_rate, noise, steps),), delta, accountant)
        return math.log(max(spent, LEAST_SPENT) / epsilon)

    quick = noise_for(epsilon, delta, sample_rate, steps, "rdp") if accountant == "prv" else None
    low = high = quick or (1.0 if accountant == "rdp" else MOST_NOISE)  # by PRV no more is needed than by RDP
    above = below = excess(high)
    while below > 0:
        if high == MOST_NOISE:
            return None
        low, above, high = high, below, min(2 * high, MOST_NOISE)
        below = excess(high)
    while above <= 0 and low > LEAST_NOISE:
        high, below, low = low, above, max(0.75 * low, LEAST_NOISE)
        above = excess(low)
    if above <= 0:
        return low
    tries = 0
    while high / low > TOLERANCE:
        tries += 1
        middle = low * (high / low) ** (above / (above - below)) * TOLERANCE**0.5
        if middle > high / TOLERANCE**0.5:  # the upper end is near enough: is there one just below it that isn't?
            middle = high / TOLERANCE
        if tries % 4 == 0:  # wherever it is no line
            middle = (low * high) ** 0.5
        if (found := excess(middle)) > 0:
            low, above = middle, found
        else:
            high, below = middle, found
    return high


def steps_within(spend: Callable[[int], float], epsilon: float, most: int) -> int:
    """How many steps, up to `most`, may be taken before ε is passed; `spend(n)` is what n of them come to."""
    if spend(most) <= epsilon:
        return most
    within, beyond = 0, most
    while beyond - within > 1:
        middle = (within + beyond) // 2
        within, beyond = (middle, beyond) if spend(middle) <= epsilon else (within, middle)
    return within


def _accountants() -> tuple[type, type]:
    try:
        from opacus.accountants import PRVAccountant, RDPAccountant
        from opacus.accountants.analysis.prv import Domain
    except ModuleNotFoundError as error:
        raise MissingExtraError("training.privacy", "privacy") from error
    from scipy.fft import next_fast_len

    class FastPRVAccountant(PRVAccountant):  # type: ignore[misc]
        """Opacus' sums over a somewhat wider range, of as many points as a Fourier transform is fast for; else it may take ten times
        as long, if the number has a large prime factor."""

        def _get_domain(self, **given: Any) -> Any:
            domain = super()._get_domain(**given)
            half = next_fast_len(domain.size // 2)
            return Domain((1 - half) * domain.dt, half * domain.dt, 2 * half)

    return RDPAccountant, FastPRVAccountant

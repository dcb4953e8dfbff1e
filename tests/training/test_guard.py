"""What may touch the weights: finite steps, and not a lone spike if so asked."""

from __future__ import annotations

import json
import math

import pytest
import torch

from groundup.training.guard import FULL_ENOUGH, StepGuard

CPU = torch.device("cpu")


def feed(guard: StepGuard, losses: list[float], norm: float = 1.0, start: int = 0) -> list[float]:
    return [float(guard.check(start + i, torch.tensor(loss), torch.tensor(norm))) for i, loss in enumerate(losses)]


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
@pytest.mark.parametrize("sigmas", [0.0, 6.0])
def test_what_is_not_finite_is_skipped_and_its_first_step_known(sigmas: float, loss: float, norm: float) -> None:
    guard = StepGuard(sigmas, CPU)
    assert feed(guard, [2.0, 2.0]) == [0, 0]
    assert feed(guard, [loss], norm, start=2) == [1]
    assert feed(guard, [loss], norm, start=3) == [1]
    assert (int(guard.not_finite), int(guard.first_not_finite)) == (2, 2)


def quiet(num: int) -> list[float]:
    return [2.0 + 0.1 * (-1) ** i for i in range(num)]  # mean 2, standard deviation 0.1


def test_a_lone_spike_is_skipped_and_a_new_level_is_not() -> None:
    guard = StepGuard(6.0, CPU)
    assert feed(guard, quiet(40)) == [0] * 40
    guard = StepGuard(6.0, CPU)
    feed(guard, quiet(40))
    assert feed(guard, [2.59]) == [0], "5.9 standard deviations are within the rule"
    guard = StepGuard(6.0, CPU)
    feed(guard, quiet(40))
    assert feed(guard, [2.61, 2.0]) == [1, 0], "6.1 are not"
    assert feed(guard, [9.0] * 8) == [1, 0, 1, 0, 0, 0, 0, 0], "never two in a row, and a new level is soon the rule"
    assert int(guard.spikes) == 3


def test_nothing_is_a_spike_before_there_is_something_to_compare_with() -> None:
    guard = StepGuard(6.0, CPU)
    assert feed(guard, [*quiet(FULL_ENOUGH - 1), 100.0]) == [0] * FULL_ENOUGH


def test_a_skipped_step_does_not_enter_the_window() -> None:
    guard = StepGuard(6.0, CPU)
    feed(guard, quiet(40))
    before = guard.window.clone()
    assert feed(guard, [1e6]) == [1]
    assert torch.equal(guard.window, before)


def test_the_window_holds_the_last_128_steps() -> None:
    guard = StepGuard(6.0, CPU)
    losses = [1 + i / 1000 for i in range(300)]
    feed(guard, losses)
    assert sorted(guard.window[0].tolist()) == pytest.approx(losses[-128:])


def test_its_state_survives_json_to_the_bit() -> None:
    torch.manual_seed(3)
    losses = (2 + 0.1 * torch.randn(200)).tolist()
    guard = StepGuard(2.0, CPU)
    feed(guard, losses[:150])
    copy = StepGuard(2.0, CPU)
    copy.load_state(json.loads(json.dumps(guard.state())))
    assert torch.equal(copy.window, guard.window)
    rest = feed(guard, losses[150:])
    assert feed(copy, losses[150:]) == rest
    assert 1.0 in rest


def test_an_overflow_of_the_loss_scale_is_skipped_but_is_neither_a_fault_nor_a_step_to_compare_with() -> None:
    guard = StepGuard(6.0, CPU)
    feed(guard, quiet(40))
    window, taken = guard.window.clone(), int(guard.taken)
    skip = guard.check(40, torch.tensor(2.0), torch.tensor(math.inf), overflow=torch.tensor(True))
    assert (float(skip), int(guard.not_finite), int(guard.taken)) == (1.0, 0, taken)
    assert torch.equal(guard.window, window)
    assert float(guard.check(41, torch.tensor(math.nan), torch.tensor(math.nan), overflow=torch.tensor(True))) == 1.0
    assert int(guard.not_finite) == 1, "a loss that is not finite is a fault in any format"
    assert (
        float(StepGuard(0.0, CPU).check(0, torch.tensor(2.0), torch.tensor(math.inf), overflow=torch.tensor(True))) == 1
    )


def test_a_lone_spike_of_the_gradient_is_skipped_too_and_its_step_known() -> None:
    guard = StepGuard(6.0, CPU)
    for step, norm in enumerate(quiet(40)):
        guard.check(step, torch.tensor(2.0), torch.tensor(norm))
    assert float(guard.check(40, torch.tensor(2.0), torch.tensor(9.0))) == 1
    assert (int(guard.spikes), int(guard.last_spike), FULL_ENOUGH) == (1, 40, 32)


def test_whoever_goes_on_just_after_a_spike_takes_the_next_step() -> None:
    guard, copy = StepGuard(6.0, CPU), StepGuard(6.0, CPU)
    assert feed(guard, [*quiet(40), 9.0])[-1] == 1
    copy.load_state(guard.state())
    assert int(copy.spikes) == 1
    assert feed(copy, [9.0]) == feed(guard, [9.0]) == [0]

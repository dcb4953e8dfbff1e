"""The learning rate's shape, against closed forms and hand-worked values."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.training.schedules import learning_rate_factor
from groundup.training.settings import Schedule, TrainingSettings


def test_trapezoid_worked_by_hand() -> None:
    settings = TrainingSettings(max_steps=10, warmup_steps=1, schedule="trapezoid", decay_fraction=0.4)
    factors = [learning_rate_factor(step, settings) for step in range(10)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_cosine_equals_torch() -> None:
    settings = TrainingSettings(max_steps=20, warmup_steps=0, schedule="cosine", final_learning_rate_fraction=0.1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.1)
    for step in range(20):
        assert learning_rate_factor(step, settings) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        scheduler.step()


def test_linear_after_warmup_worked_by_hand() -> None:
    settings = TrainingSettings(max_steps=6, warmup_steps=2, schedule="linear", final_learning_rate_fraction=0.2)
    factors = [learning_rate_factor(step, settings) for step in range(6)]
    assert factors == pytest.approx([1 / 3, 2 / 3, 1.0, 0.8, 0.6, 0.4])


@given(
    st.sampled_from(["cosine", "trapezoid", "linear", "constant"]),
    st.integers(1, 300),
    st.integers(0, 400),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_always_a_usable_share(schedule: Schedule, max_steps: int, warmup: int, decay: float, floor: float) -> None:
    settings = TrainingSettings(
        max_steps=max_steps,
        warmup_steps=warmup,
        schedule=schedule,
        decay_fraction=decay,
        final_learning_rate_fraction=floor,
    )
    factors = [learning_rate_factor(step, settings) for step in range(max_steps)]
    assert all(0 < factor <= 1 and math.isfinite(factor) for factor in factors[:-1])
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)

"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from groundup.training.settings import TrainingSettings


def learning_rate_factor(step: int, settings: TrainingSettings) -> float:
    """What every peak learning rate is multiplied with at optimizer step `step` (from 0 to max_steps - 1).

    It rises in a line over `warmup_steps`, the first step already above 0, and then: `constant` stays; `linear` goes down in a
    line; `cosine` goes down as half a cosine (Loshchilov & Hutter 2017, §3); `trapezoid` stays until the last
    `decay_fraction` of all steps and goes down in a line (Hägele et al. 2024, §3). All but `constant` would reach
    `final_learning_rate_fraction` at step max_steps, the first that isn't taken.
    """
    if step < settings.warmup_steps:
        return (step + 1) / (settings.warmup_steps + 1)
    floor = settings.final_learning_rate_fraction
    start = settings.warmup_steps
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "trapezoid":
        start = max(start, round(settings.max_steps * (1 - settings.decay_fraction)))
        if step < start:
            return 1.0
    progress = (step - start) / max(1, settings.max_steps - start)
    if settings.schedule == "cosine":
        return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2
    return floor + (1 - floor) * (1 - progress)

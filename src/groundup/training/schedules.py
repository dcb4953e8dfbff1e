"""How many steps there are, and the learning rate as a function of the step."""

from __future__ import annotations

import math
from dataclasses import replace

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


def with_steps(training: TrainingSettings, num_rows: int) -> TrainingSettings:
    """The same settings with `epochs` told as steps: as many as read `num_rows` rows so often."""
    if not training.epochs:
        return training
    return replace(training, max_steps=max(1, math.ceil(training.epochs * num_rows / training.batch_size)), epochs=0.0)

"""A warning before a number format makes training slow instead of fast."""

from __future__ import annotations

from collections.abc import Callable

import torch

from groundup.device import autocast_dtype, half_precision_slowdown
from groundup.training.settings import TrainingSettings


def warn_of_slow_precision(settings: TrainingSettings, device: torch.device, say: Callable[[str], None]) -> None:
    """Half precision pays where there are units for it. On a CPU that has none, who asked for it is told what was measured."""
    dtype = autocast_dtype(settings.precision, device)
    if dtype is None or settings.precision == "auto" or device.type != "cpu":
        return
    slowdown = half_precision_slowdown(dtype, device)
    if slowdown > 1.0:
        say(
            f"warning: training.precision = {settings.precision!r} makes matrix products {slowdown:.1f} times slower than fp32 on this CPU "
            "(measured just now); training.precision=fp32 is the better choice here"
        )

"""What a training takes: arithmetic, time, memory, and what is lost when a machine fails. All of it can be known beforehand."""

from __future__ import annotations

import math

TOKENS_PER_WEIGHT = 20.0
"""Hoffmann et al. 2022, table 3: about this many tokens for each weight make the best model of given arithmetic."""


def training_flops(num_parameters: float, num_tokens: float) -> float:
    """6 · N · D floating-point operations (Kaplan et al. 2020, §2.1).

    A token meets each weight in one multiplication and one addition on the way forward. The way back has two products for
    each: one for the weight's gradient, one for that of what it was multiplied with.
    """
    return 6.0 * num_parameters * num_tokens


def training_days(flops: float, num_devices: int, peak: float, utilization: float) -> float:
    """Days on so many devices that could do `peak` operations a second and reach this share of it (MFU, Chowdhery et al. 2022, §4.1)."""
    return flops / (num_devices * peak * utilization) / 86_400


def best_size(flops: float) -> tuple[float, float]:
    """Weights N and tokens D that make the best model of so much arithmetic: 6 · N · D of it, with D = 20 · N."""
    num_parameters = math.sqrt(flops / (6 * TOKENS_PER_WEIGHT))
    return num_parameters, TOKENS_PER_WEIGHT * num_parameters


def state_bytes(num_parameters: float, num_trained: float | None = None, num_devices: int = 1) -> float:
    """What has to lie in each device's memory all the time, in fp32 with AdamW; activations come on top.

    4 bytes for each weight, and for each that is trained 4 for its gradient and 8 for the two averages of AdamW. Sharded
    over devices, each has its part (Rajbhandari et al. 2020, ZeRO, §5).
    """
    trained = num_parameters if num_trained is None else num_trained
    return (4 * num_parameters + 12 * trained) / num_devices


def best_interval(seconds_to_save: float, seconds_between_failures: float) -> float:
    """Seconds of training between two checkpoints that lose the least (Young 1974): √(2 · δ · M).

    Each interval costs δ for saving, and a failure, once in M on average, half of an interval for what is done again.
    """
    return math.sqrt(2 * seconds_to_save * seconds_between_failures)

"""Axes of a chart: which values are labelled, how, and where they lie. Pure numbers and text, no drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """Where values lie between two ends in pixels, and which of them are labelled."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    log: bool = False

    def place(self, value: float) -> float:
        """The pixel of a value."""
        change: Callable[[float], float] = math.log10 if self.log else float
        share = (change(value) - change(self.low)) / (change(self.high) - change(self.low))
        return self.start + share * (self.end - self.start)


def nice_step(span: float, count: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `count` parts (after Heckbert 1990,
    Nice Numbers for Graph Labels, Graphics Gems)."""
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """The multiples of a nice step from `low` to `high`, at most `count` + 1 of them."""
    step = nice_step(high - low, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    return [round(index * step, decimals) for index in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Ticks of a logarithmic axis that enclose `low` to `high`: 1, 2, 5 times powers of ten, or powers of ten alone."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    fine = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    begin = max(index for index, tick in enumerate(fine) if tick <= low * (1 + 1e-9))
    end = min(index for index, tick in enumerate(fine) if tick >= high * (1 - 1e-9))
    enclosed = fine[begin : max(end, begin + 1) + 1]
    if len(enclosed) <= count + 1:
        return enclosed
    stride = math.ceil((last - first) / count)
    return [10.0**power for power in range(first, last + stride, stride)]


def tick_labels(ticks: Sequence[float], log: bool = False) -> list[str]:
    """Ticks as text with just the decimals that their step needs; k and M stand for thousands and millions."""
    if log:
        return [_in_unit(tick, tick, tick) for tick in ticks]
    step, largest = (ticks[1] - ticks[0] if len(ticks) > 1 else 1.0), max(map(abs, ticks))
    return [_in_unit(tick, step, largest) for tick in ticks]


def _in_unit(value: float, step: float, largest: float) -> str:
    if value == 0:
        return "0"
    if largest >= 1e10 or step < 1e-4:
        mantissa, _, exponent = f"{value:.3g}".partition("e")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    unit, name = (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1.0, "")
    return f"{value / unit:,.{max(0, -math.floor(math.log10(step / unit) + 1e-9))}f}{name}"

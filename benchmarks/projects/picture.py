"""A project's curve as an SVG: its figure against the tokens that were read, which go by factors of ten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.chart import STYLE, line, text
from groundup.report.axes import Axis, log_ticks, nice_ticks, tick_labels

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640.0, 320.0, 56.0, 40.0, 56.0, 44.0
CURVE = ".curve { fill: none; stroke: #0b6bb5; stroke-width: 2 } @media (prefers-color-scheme: dark) { .curve { stroke: #4ea3e6 } }"


@dataclass(frozen=True)
class Curve:
    """What is drawn of one project."""

    title: str
    axis: str
    """What is measured, and which way is better."""
    points: Sequence[tuple[float, float]]
    """Tokens and figure of each training, in the order of the tokens; at least one."""
    without: float | None = None
    """What there is without a network, or before training: a dashed line…"""
    without_name: str = ""
    """…and its name."""


def picture(curve: Curve) -> str:
    """The curve as the text of an SVG file."""
    x, y = _axes(curve)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [text(16, 24, curve.title, "title"), text(16, 42, curve.axis, "quiet")]
    for tick, label in zip(y.ticks, tick_labels(y.ticks), strict=True):
        parts += [line(f"{LEFT}", y.place(tick), f"{right}", y.place(tick), "grid")]
        parts += [text(LEFT - 8, y.place(tick) + 4, label, "quiet", "end")]
    for tick, label in zip(x.ticks, tick_labels(x.ticks, log=True), strict=True):
        parts.append(text(f"{x.place(tick):.1f}", bottom + 16, label, "quiet", "middle"))
    parts.append(
        text((LEFT + right) / 2, HEIGHT - 8, "tokens read, each training with a schedule of its own", "quiet", "middle")
    )
    if curve.without is not None:
        level = y.place(curve.without)
        parts.append(line(f"{LEFT}", level, f"{right}", level, "one"))
        parts.append(text(right, level - 6, f"{curve.without_name}: {curve.without:.4g}", "quiet", "end"))
    parts += _line_of(curve.points, x.place, y.place)
    said = "; ".join(f"{tokens:,.0f} tokens: {value:.4g}" for tokens, value in curve.points)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}">'
        f"<title>{escape(curve.title)}</title><desc>{escape(f'{curve.axis}. {said}')}</desc><style>{STYLE}{CURVE}</style>"
        f'<rect class="paper" width="100%" height="100%" rx="8"/>{"".join(parts)}</svg>\n'
    )


def _axes(curve: Curve) -> tuple[Axis, Axis]:
    """Tokens by factors, the figure in equal steps; both reach beyond what is drawn."""
    tokens, values = zip(*curve.points, strict=True)
    across = log_ticks(min(tokens), max(tokens))
    levels = [*values, *([] if curve.without is None else [curve.without])]
    room = 0.1 * (max(levels) - min(levels)) or 0.1 * max(levels)
    low, high = min(levels) - room, max(levels) + room
    up = Axis(low, high, HEIGHT - BOTTOM, TOP, nice_ticks(low, high))
    return Axis(across[0], across[-1], LEFT, WIDTH - RIGHT, across, log=True), up


def _line_of(
    points: Sequence[tuple[float, float]], x: Callable[[float], float], y: Callable[[float], float]
) -> list[str]:
    """The line, a dot for each training, and its figure above and behind it, where a line that goes down leaves room."""
    places = [(x(tokens), y(value), value) for tokens, value in points]
    path = "M" + "L".join(f"{left:.1f},{top:.1f}" for left, top, _ in places)
    dots = [f'<circle class="ours" cx="{left:.1f}" cy="{top:.1f}" r="4"/>' for left, top, _ in places]
    named = [text(f"{left + 6:.1f}", round(top - 8, 1), f"{value:.4g}", "") for left, top, value in places]
    return [f'<path class="curve" d="{path}"/>', *dots, *named]

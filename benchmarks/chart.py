"""Horizontal bar charts as SVG files that need nothing else: text and bars, readable on light and on dark paper.

A bar may have a whisker, from the lower to the upper end of the middle half of the rounds. Lengths are in pixels, y points down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from groundup.report.axes import nice_ticks, tick_labels

WIDTH, ROW, BAR = 760.0, 26.0, 15.0
TOP, BOTTOM, RIGHT = 52.0, 42.0, 70.0
CHARACTER = 7.3  # a generous mean at this size, to reserve room for names
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2933 } .title { font-size: 14px; font-weight: 600 } .quiet { fill: #55606e }
.grid { stroke: #dde2e8 } .one { stroke: #55606e; stroke-dasharray: 4 3 } .whisker { stroke: #1f2933; stroke-width: 1.5 }
.paper { fill: #ffffff } .ours { fill: #0b6bb5 } .theirs { fill: #9aa7b5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6eaee } .quiet { fill: #a9b4c0 } .grid { stroke: #38424d } .one { stroke: #a9b4c0 } .whisker { stroke: #e6eaee }
.paper { fill: #14191f } .ours { fill: #4ea3e6 } .theirs { fill: #6b7885 } }
"""


@dataclass(frozen=True)
class Bar:
    """One contender's figure."""

    name: str
    value: float
    whisker: tuple[float, float] | None = None
    ours: bool = False


@dataclass(frozen=True)
class BarChart:
    """What a chart shows besides its bars."""

    title: str
    axis: str
    """What is measured, and which way is better."""
    base: float | None = None
    """A value that a dashed line marks: the contender that the others are compared with."""


def bar_chart(chart: BarChart, bars: Sequence[Bar]) -> str:
    """The chart as the text of an SVG file. Needs at least one bar."""
    left = 16 + CHARACTER * max(len(bar.name) for bar in bars)
    bottom = TOP + ROW * len(bars)
    height = bottom + BOTTOM
    most = max(max(bar.value, *(bar.whisker or (0.0,))) for bar in bars)
    ticks = [tick for tick in nice_ticks(0.0, most, 6) if 0 <= tick <= most]
    scale = (WIDTH - RIGHT - left) / (most or 1.0)

    def x(value: float) -> str:
        return f"{left + value * scale:.1f}"

    parts = [text(16, 24, chart.title, "title")]
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        parts.append(line(x(tick), TOP - 4, x(tick), bottom, "grid"))
        parts.append(text(x(tick), bottom + 15, label, "quiet", "middle"))
    for number, bar in enumerate(bars):
        parts += _bar(bar, TOP + ROW * number + ROW / 2, left, x)
    if chart.base is not None:
        parts.append(line(x(chart.base), TOP - 4, x(chart.base), bottom, "one"))
    parts.append(text(left, height - 8, chart.axis, "quiet"))
    said = "; ".join(f"{bar.name}: {figure(bar.value)}" for bar in bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}">'
        f"<title>{escape(chart.title)}</title><desc>{escape(f'{chart.axis}. {said}')}</desc><style>{STYLE}</style>"
        f'<rect class="paper" width="100%" height="100%" rx="8"/>{"".join(parts)}</svg>\n'
    )


def _bar(bar: Bar, y: float, left: float, x: Callable[[float], str]) -> list[str]:
    """A contender's name, bar, whisker and figure around the height y."""
    kind = "ours" if bar.ours else "theirs"
    length = float(x(bar.value)) - left
    parts = [
        text(left - 8, y + 4, bar.name, "", "end"),
        f'<rect class="{kind}" x="{left:g}" y="{y - BAR / 2:g}" width="{max(length, 1):.1f}" height="{BAR:g}" rx="2"/>',
    ]
    end = bar.value
    if bar.whisker:
        low, high = bar.whisker
        end = max(end, high)
        parts.append(line(x(low), y, x(high), y, "whisker"))
        parts += [line(x(value), y - 4, x(value), y + 4, "whisker") for value in (low, high)]
    parts.append(text(float(x(end)) + 7, y + 4, figure(bar.value), ""))
    return parts


def figure(value: float) -> str:
    """A number with three digits, or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def text(x: float | str, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Words at a place, of a class of `STYLE`."""
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: str, y1: float, x2: str, y2: float, kind: str) -> str:
    """A straight line, of a class of `STYLE`."""
    return f'<line class="{kind}" x1="{x1}" y1="{y1:g}" x2="{x2}" y2="{y2:g}"/>'

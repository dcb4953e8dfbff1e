"""Line charts as SVG text: pure functions, no library, readable without a screen (title, description) or colour.

Lengths are in the SVG's own units (pixels at scale 1), y pointing down. Colours are CSS variables with a fallback, so
that a page may give each theme its own and a chart saved alone still has some; blue and orange stay apart for
colour-blind readers (Okabe & Ito 2008, Color Universal Design), and line, dots and dashes differ by shape too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

from groundup.report.axes import Axis, log_ticks, nice_step, nice_ticks, tick_labels
from groundup.report.curves import LARGEST, Point, usable

COLORS = ("var(--chart-1, #0b6bb5)", "var(--chart-2, #c2500a)", "var(--chart-3, #0f7b5f)")
INK, GRID, PAPER = "var(--chart-ink, #55606e)", "var(--chart-grid, #dde2e8)", "var(--chart-paper, #ffffff)"
FONT_SIZE = 12.0
CHARACTER_WIDTH = 7.0  # a generous mean at this size, to reserve room for labels
TOP, BOTTOM, RIGHT = 10.0, 44.0, 22.0  # room for half a tick label, the x axis, half a tick label
LEGEND = 20.0  # and for each row of the legend, if there are several lines
SAMPLE, GAP = 23.0, 16.0  # of the legend: a name's sample before it, and what is free behind it


@dataclass(frozen=True)
class Series:
    """One line of a chart, its points in order of x."""

    name: str
    points: Sequence[Point]
    style: Literal["line", "faint", "dots"] = "line"
    color: int = 0
    """Index into COLORS."""


@dataclass(frozen=True)
class Chart:
    """What a line chart shows besides its series."""

    title: str
    description: str
    x_label: str
    y_label: str
    log_y: bool = False
    """Logarithmic y axis; values of 0 and below are gaps."""
    from_zero: bool = False
    """Start a linear y axis at 0."""
    y_limit: float | None = None
    """Values above this are drawn at it."""
    reference: tuple[float, str] | None = None
    """A level y, drawn as a dashed line, and its name: in the legend, or beside the line where there is none."""
    marks: Sequence[float] = ()
    """Places x that get a dotted upright line…"""
    marks_name: str = ""
    """…and what they are called in the legend."""
    highlight: tuple[float, float, str] | None = None
    """One point (x, y) with its label."""
    width: float = 720
    height: float = 300


def line_chart(series: Sequence[Series], chart: Chart) -> str:
    """The chart as one `<svg>` element. With no usable point it says so in place of the lines."""
    series = [
        Series(one.name, [_gap_unless_usable(point, chart) for point in one.points], one.style, one.color)
        for one in series
    ]
    found = [(x, y) for one in series for x, y in one.points if y is not None]
    if not found:
        said = _text(chart.width / 2, 34, "nothing measured yet", "middle")
        return _svg(replace(chart, height=60), 0, 0, 0, 0, [_line(0, 59, chart.width, 59, GRID), said])
    y_axis = _y_axis([y for _, y in found], TOP, chart)
    y_labels = tick_labels(y_axis.ticks, chart.log_y)
    left = 30 + CHARACTER_WIDTH * max(map(len, y_labels))
    places = _legend_places(series, chart, left) if len(series) > 1 else []
    y_axis = replace(y_axis, end=TOP + LEGEND * len({y for _, y in places}))
    x_axis = _x_axis([x for x, _ in found], left, chart)
    body = _frame(chart, x_axis, y_axis, y_labels, bool(places))
    body += [_path(one, x_axis, y_axis) for one in series if any(y is not None for _, y in one.points)]
    if chart.highlight is not None:
        body.append(_highlight(chart.highlight, x_axis, y_axis))
    if places:
        body.append(_legend(series, chart, places))
    return _svg(chart, x_axis.start, x_axis.end, x_axis.low, x_axis.high, body)


def _gap_unless_usable(point: Point, chart: Chart) -> Point:
    x, y = point
    if not usable(y) or (chart.log_y and y < 1 / LARGEST):
        return x, None
    return x, y if abs(y) > 1 / LARGEST else 0.0


def _x_axis(values: Sequence[float], left: float, chart: Chart) -> Axis:
    low, high = min(values), max(values)
    if 0 < low <= 0.2 * high or low == high > 0:
        low = 0.0  # steps count from 0
    if low == high:
        low, high = (low - 1, high + 1) if low else (0.0, 1.0)
    right = chart.width - RIGHT
    return Axis(low, high, left, right, nice_ticks(low, high, max(2, int((right - left) / 80))))


def _y_axis(values: Sequence[float], top: float, chart: Chart) -> Axis:
    levels = [*values, *([chart.reference[0]] if chart.reference else [])]
    low, high = min(levels), max(levels)
    if chart.y_limit is not None:
        high = max(low, min(high, chart.y_limit))
    if chart.from_zero and not chart.log_y:
        low, high = min(0.0, low), max(0.0, high)
    bottom = chart.height - BOTTOM
    if chart.log_y:
        ticks = log_ticks(low, high)
        return Axis(ticks[0], ticks[-1], bottom, top, ticks, log=True)
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # all the same
        room = 0.1 * abs(high) or 1.0
        low, high = (low if chart.from_zero else low - room), high + room
    step = nice_step(high - low, 5)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Axis(low, high, bottom, top, nice_ticks(low, high, round((high - low) / step)))


def _frame(chart: Chart, x_axis: Axis, y_axis: Axis, y_labels: Sequence[str], named: bool) -> list[str]:
    """Grid, tick labels, axis titles, the marks and the reference line, with its label unless the legend names it."""
    left, right, bottom, top = x_axis.start, x_axis.end, y_axis.start, y_axis.end
    body = []
    for tick, label in zip(y_axis.ticks, y_labels, strict=True):
        y = y_axis.place(tick)
        body += [_line(left, y, right, y, GRID), _text(left - 7, y + 4, label, "end")]
    for tick, label in zip(x_axis.ticks, tick_labels(x_axis.ticks), strict=True):
        x = x_axis.place(tick)
        body += [_line(x, bottom, x, bottom + 4, INK), _text(x, bottom + 17, label, "middle")]
    body += [
        _line(left, bottom, right, bottom, INK),
        _text((left + right) / 2, chart.height - 8, chart.x_label, "middle"),
    ]
    middle = (top + bottom) / 2
    body.append(_text(13, middle, chart.y_label, "middle", f' transform="rotate(-90 13 {middle:g})"'))
    body += [
        _line(x_axis.place(mark), top, x_axis.place(mark), bottom, INK, ' stroke-dasharray="1 4"')
        for mark in chart.marks
        if x_axis.low <= mark <= x_axis.high
    ]
    if chart.reference is not None:
        value, label = chart.reference
        y = y_axis.place(min(value, y_axis.high))
        body.append(_line(left, y, right, y, INK, ' stroke-dasharray="6 4"'))
        if not named:
            body.append(_text(right - 4, y + 15 if y + 20 < bottom else y - 6, label, "end", halo=True))
    return body


def _path(series: Series, x_axis: Axis, y_axis: Axis) -> str:
    """One series; its exact values ride along for the page's hover read-out."""
    places = [(x_axis.place(x), None if y is None else y_axis.place(min(y, y_axis.high))) for x, y in series.points]
    color = COLORS[series.color % len(COLORS)]
    values = json.dumps(
        [[_plain(x), None if y is None else _plain(y)] for x, y in series.points], separators=(",", ":")
    )
    look = "opacity:.38;stroke-width:1" if series.style == "faint" else "stroke-width:2"
    text = (
        f'<path d="{path_data(places)}" fill="none" stroke-linecap="round" stroke-linejoin="round"'
        f' style="stroke:{color};{look}" data-name="{escape(series.name)}" data-points="{values}"/>'
    )
    lone = sum(y is not None for _, y in places) == 1  # a line of one point would hardly be seen
    if (series.style == "dots" and len(places) <= 100) or lone:
        dots = (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>' for x, y in places if y is not None)
        text += f'<g style="fill:{color};stroke:{PAPER}">{"".join(dots)}</g>'
    return text


def _plain(value: float) -> float:
    """Five significant digits, whole numbers kept whole."""
    return int(value) if value == int(value) else float(f"{value:.5g}")


def path_data(places: Sequence[tuple[float, float | None]]) -> str:
    """An SVG path through pixels; after a gap it starts anew, and a point that stands alone becomes a dot (`h0`)."""
    parts, last = [], len(places) - 1
    for index, (x, y) in enumerate(places):
        if y is None:
            continue
        starts = index == 0 or places[index - 1][1] is None
        alone = starts and (index == last or places[index + 1][1] is None)
        parts.append(f"{'M' if starts else 'L'}{x:.1f},{y:.1f}{'h0' if alone else ''}")
    return "".join(parts)


def _highlight(highlight: tuple[float, float, str], x_axis: Axis, y_axis: Axis) -> str:
    x, y = x_axis.place(highlight[0]), y_axis.place(min(highlight[1], y_axis.high))
    anchor = "end" if x > (x_axis.start + x_axis.end) / 2 else "start"
    below = y + 24 < y_axis.start
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" style="stroke:{COLORS[1]};stroke-width:2"/>'
    return ring + _text(
        x + (4 if anchor == "end" else -4),
        y + (21 if below else -13),
        highlight[2],
        anchor,
        ' font-weight="600"',
        halo=True,
    )


def _legend_places(series: Sequence[Series], chart: Chart, left: float) -> list[tuple[float, float]]:
    """Where the samples of the legend's entries begin, (x, y): the lines, the reference, the marks. As many rows as they need."""
    names = [one.name for one in series]
    names += ([chart.reference[1]] if chart.reference else []) + ([chart.marks_name] if chart.marks else [])
    places: list[tuple[float, float]] = []
    x, y = left, 12.0
    for name in names:
        reaches = SAMPLE + CHARACTER_WIDTH * len(name)
        if x + reaches > chart.width:
            x, y = left, y + LEGEND * bool(places)
        places.append((x, y))
        x += reaches + GAP
    return places


def _legend(series: Sequence[Series], chart: Chart, places: Sequence[tuple[float, float]]) -> str:
    """Samples and names above the plot."""
    parts, begin = [], iter(places)
    for one in series:
        x, y = next(begin)
        look = f"stroke:{COLORS[one.color % len(COLORS)]};stroke-width:{1 if one.style == 'faint' else 2}"
        parts.append(_line(x, y, x + 18, y, "", f' style="{look}"'))
        if one.style == "dots":
            parts.append(
                f'<circle cx="{x + 9:.1f}" cy="{y:g}" r="3.2" style="fill:{COLORS[one.color % len(COLORS)]}"/>'
            )
        parts.append(_text(x + 23, y + 4, one.name))
    if chart.reference is not None:
        x, y = next(begin)
        parts += [_line(x, y, x + 18, y, INK, ' stroke-dasharray="6 4"'), _text(x + 23, y + 4, chart.reference[1])]
    if chart.marks:
        x, y = next(begin)
        parts += [
            _line(x + 9, y - 8, x + 9, y + 8, INK, ' stroke-dasharray="1 4"'),
            _text(x + 17, y + 4, chart.marks_name),
        ]
    return "".join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, color: str, extra: str = "") -> str:
    style = "" if "style=" in extra else f' style="stroke:{color}"'
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{style}{extra}/>'


def _text(x: float, y: float, text: str, anchor: str = "start", extra: str = "", halo: bool = False) -> str:
    style = f"fill:{INK}" + (f";stroke:{PAPER};stroke-width:4;paint-order:stroke" if halo else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="{style}"{extra}>{escape(text)}</text>'


def _svg(chart: Chart, left: float, right: float, low: float, high: float, body: Sequence[str]) -> str:
    box = f"0 0 {chart.width:g} {chart.height:g}"
    plot = f'data-left="{left:.1f}" data-right="{right:.1f}" data-low="{low!r}" data-high="{high!r}"'
    paper = f'<rect width="{chart.width:g}" height="{chart.height:g}" style="fill:{PAPER}"/>'  # on a dark page, too
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="{box}"'
        f' font-family="system-ui, sans-serif" font-size="{FONT_SIZE:g}" {plot} data-x-label="{escape(chart.x_label)}">'
        f"<title>{escape(chart.title)}</title><desc>{escape(chart.description)}</desc>{paper}{''.join(body)}</svg>"
    )

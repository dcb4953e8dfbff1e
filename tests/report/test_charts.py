"""Charts: ticks and coordinates by hand, gaps, and that any numbers give a well-formed picture."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.report.axes import Axis, log_ticks, nice_step, nice_ticks, tick_labels
from groundup.report.charts import Chart, Series, line_chart, path_data
from groundup.report.curves import Point, downsample, smooth
from groundup.report.pages import read_template

SVG = "{http://www.w3.org/2000/svg}"


def draw(points: list[Point], chart: Chart | None = None, name: str = "loss") -> ElementTree.Element:
    chart = chart or Chart("A title", "What it shows.", "step", "loss (nats)", width=400, height=200)
    return ElementTree.fromstring(line_chart([Series(name, points)], chart))


def path_of(svg: ElementTree.Element) -> str:
    return next(path.attrib["d"] for path in svg.iter(SVG + "path"))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 1000, [0, 200, 400, 600, 800, 1000]),
        (1.4, 4.5, [2, 3, 4]),
        (0, 0.003, [0, 0.001, 0.002, 0.003]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 7, [3, 4, 5, 6, 7]),
        (0.31, 0.33, [0.31, 0.315, 0.32, 0.325, 0.33]),
    ],
)
def test_nice_ticks_by_hand(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(5, 12))
def test_nice_ticks_are_few_multiples_of_1_2_or_5_inside_the_range(low: float, span: float, count: int) -> None:
    high = low + span
    ticks, step = nice_ticks(low, high, count), nice_step(high - low, count)
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)
    assert 2 <= len(ticks) <= count + 1
    assert all(low - 1e-6 * step <= tick <= high + 1e-6 * step for tick in ticks)
    assert all(math.isclose(tick / step, round(tick / step), abs_tol=1e-6) for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.3, 3, [0.2, 0.5, 1, 2, 5]),
        (1, 100, [1, 10, 100]),
        (2e-5, 0.9, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
        (7, 7, [5, 10]),
        (1e-9, 1e3, [1e-9, 1e-6, 1e-3, 1, 1e3]),
    ],
)
def test_log_ticks_by_hand(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks, rel=1e-12)


@given(st.floats(-90, 90), st.floats(0, 90))
def test_log_ticks_enclose_the_range(low: float, decades: float) -> None:
    ticks = log_ticks(10**low, 10 ** (low + decades))
    assert ticks[0] <= 10**low * (1 + 1e-6)
    assert ticks[-1] >= 10 ** (low + decades) * (1 - 1e-6)
    assert 2 <= len(ticks) <= 7


def test_tick_labels_have_just_the_decimals_of_their_step() -> None:
    assert tick_labels([0, 0.5, 1.0, 1.5]) == ["0", "0.5", "1.0", "1.5"]
    assert tick_labels([0, 0.001, 0.002]) == ["0", "0.001", "0.002"]
    assert tick_labels([0, 500, 1000]) == ["0", "500", "1,000"]
    assert tick_labels([0, 5000, 10000, 15000]) == ["0", "5k", "10k", "15k"]
    assert tick_labels([0, 500_000, 1_000_000]) == ["0", "0.5M", "1.0M"]
    assert tick_labels([0, 1e-5, 2e-5]) == ["0", "1e-5", "2e-5"]
    assert tick_labels([0.1, 1, 10, 100], log=True) == ["0.1", "1", "10", "100"]


def test_axis_places_values() -> None:
    assert Axis(0, 10, 100, 300, []).place(2.5) == 150
    assert Axis(1, 5, 200, 100, []).place(2) == 175  # y runs downwards
    assert Axis(1, 100, 0, 50, [], log=True).place(10) == pytest.approx(25)


def test_coordinates_by_hand() -> None:
    chart = Chart("t", "d", "step", "y", from_zero=True, width=400, height=200)
    svg = draw([(0, 0.0), (5, 2.5), (10, 10.0)], chart)
    # Left: 30 + 7 for each character of the longest label "10". Right: 400 - 22. Top 10; bottom 200 - 44.
    assert path_of(svg) == "M44.0,156.0L211.0,119.5L378.0,10.0"
    labels = [text.text for text in svg.iter(SVG + "text")]
    assert labels == ["0", "2", "4", "6", "8", "10", "0", "5", "10", "step", "y"]


def test_y_axis_rounds_outward_to_whole_steps_and_steps_start_at_zero() -> None:
    svg = draw([(10, 4.1), (100, 1.6)])
    labels = [text.text for text in svg.iter(SVG + "text")]
    assert labels == ["1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5", "0", "50", "100", "step", "loss (nats)"]
    assert (svg.attrib["data-low"], svg.attrib["data-high"]) == ("0.0", "100")


def test_missing_values_are_gaps_and_a_lone_point_is_a_dot() -> None:
    assert path_data([(0, 1), (1, 2), (2, None), (3, 3), (4, None), (5, 4), (6, 5)]) == (
        "M0.0,1.0L1.0,2.0M3.0,3.0h0M5.0,4.0L6.0,5.0"
    )
    assert path_data([(1, 1)]) == "M1.0,1.0h0"
    assert path_data([(1, None)]) == ""
    holes: list[Point] = [(1, 1.0), (2, math.nan), (3, math.inf), (4, 1e300), (5, None), (6, 2.0)]
    svg = draw(holes)
    assert path_of(svg).count("h0") == 2
    path = next(svg.iter(SVG + "path"))
    assert json.loads(path.attrib["data-points"]) == [[1, 1], [2, None], [3, None], [4, None], [5, None], [6, 2]]


def test_log_axis_leaves_out_zero_and_below() -> None:
    svg = draw([(1, 0.0), (2, -1.0), (3, 1.0), (4, 100.0)], Chart("t", "d", "x", "y", log_y=True, height=200))
    assert path_of(svg).startswith("M")
    assert [text.text for text in svg.iter(SVG + "text")][:3] == ["1", "10", "100"]
    assert path_of(svg).count("L") == 1


def test_values_above_the_limit_are_drawn_at_the_top_and_told_exactly() -> None:
    chart = Chart("t", "d", "x", "y", y_limit=4.0, from_zero=True, height=200)
    svg = draw([(1, 1.0), (2, 1000.0), (3, 2.0)], chart)
    assert ",10.0L" in path_of(svg)
    assert "[2,1000]" in next(svg.iter(SVG + "path")).attrib["data-points"]


def test_reference_marks_legend_and_highlight_are_drawn() -> None:
    chart = Chart(
        "t",
        "d",
        "step",
        "y",
        reference=(4.47, "guessing"),
        marks=(3, 99),  # the second lies outside
        marks_name="resumed",
        highlight=(4, 2.0, "best 2"),
    )
    svg = ElementTree.fromstring(
        line_chart([Series("training", [(1, 4.0), (4, 2.1)]), Series("validation", [(4, 2.0)], "dots", 1)], chart)
    )
    labels = [text.text for text in svg.iter(SVG + "text")]
    assert labels[-4:] == ["training", "validation", "guessing", "resumed"]
    assert labels.count("guessing") == 1  # in the legend alone, where it hides no point
    assert {"best 2", "4.5"} <= set(labels)  # the axis reaches up to the reference
    assert sum(line.attrib.get("stroke-dasharray") == "1 4" for line in svg.iter(SVG + "line")) == 2  # mark and legend
    assert len(list(svg.iter(SVG + "circle"))) == 3  # the point, its ring, the legend's dot


@pytest.mark.parametrize(("num_series", "beside"), [(2, False), (1, True)])
def test_a_reference_stands_beside_its_line_where_there_is_no_legend(num_series: int, beside: bool) -> None:
    chart = Chart("t", "d", "step", "y", reference=(4.47, "guessing"))
    series = [Series(f"training {number}", [(1, 4.0), (4, 2.1)]) for number in range(num_series)]
    svg = ElementTree.fromstring(line_chart(series, chart))
    (label,) = [text for text in svg.iter(SVG + "text") if text.text == "guessing"]
    assert (label.attrib["text-anchor"] == "end") is beside


@pytest.mark.parametrize(("width", "rows"), [(1000, 1), (400, 2), (200, 5), (60, 5)])
def test_a_legend_takes_as_many_rows_as_it_needs(width: float, rows: int) -> None:
    """Those of a resumed run's loss on a wide page, on a phone, and where there is hardly room for one name."""
    names = ["training", "training, smoothed", "validation", "guessing", "resumed"]
    chart = Chart("t", "d", "step", "y", reference=(4.47, names[3]), marks=(2,), marks_name=names[4], width=width)
    svg = ElementTree.fromstring(line_chart([Series(name, [(1, 4.0), (4, 2.1)]) for name in names[:3]], chart))
    labels = {text.text: text for text in svg.iter(SVG + "text") if text.text in names}
    assert list(labels) == names
    assert len({label.attrib["y"] for label in labels.values()}) == rows
    if width > 60:
        assert all(float(label.attrib["x"]) + 7 * len(name) <= width for name, label in labels.items() if name)
    assert max(float(label.attrib["y"]) for label in labels.values()) < min(
        float(path.attrib["d"][1:].split("L")[0].split(",")[1]) for path in svg.iter(SVG + "path")
    )


def test_a_chart_brings_its_paper_so_that_its_ink_is_read_on_a_dark_page() -> None:
    svg = draw([(1, 1.0), (2, 2.0)], Chart("t", "d", "x", "y", width=500, height=200))
    paper = next(element for element in svg if element.tag not in (SVG + "title", SVG + "desc"))
    assert paper.tag == SVG + "rect"  # below all else
    assert paper.attrib == {"width": "500", "height": "200", "style": "fill:var(--chart-paper, #ffffff)"}


def test_a_chart_speaks_to_screen_readers_and_escapes_what_it_is_given() -> None:
    hostile = '</svg><script>alert("1")</script>\'&'
    chart = Chart(
        hostile,
        hostile,
        hostile,
        hostile,
        reference=(1, hostile),
        marks=(1,),
        marks_name=hostile,
        highlight=(1, 1, hostile),
    )
    svg = ElementTree.fromstring(line_chart([Series(hostile, [(1, 1.0)]), Series(hostile, [(2, 2.0)])], chart))
    assert svg.attrib["role"] == "img"
    assert (svg[0].tag, svg[0].text) == (SVG + "title", hostile)
    assert (svg[1].tag, svg[1].text) == (SVG + "desc", hostile)
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
        "svg",
        "title",
        "desc",
        "rect",
        "line",
        "path",
        "text",
        "circle",
        "g",
    }


@pytest.mark.parametrize("points", [[], [(1, None)], [(1, math.nan), (2, math.inf)]])
def test_nothing_measured_is_said(points: list[Point]) -> None:
    svg = draw(points)
    assert [text.text for text in svg.iter(SVG + "text")] == ["nothing measured yet"]
    assert not list(svg.iter(SVG + "path"))


values = st.one_of(st.none(), st.floats())


@given(st.lists(values, max_size=30), st.booleans(), st.booleans(), st.one_of(st.none(), st.floats(-1e3, 1e3)))
def test_any_numbers_give_a_well_formed_chart_inside_its_frame(
    ys: list[float | None], log_y: bool, from_zero: bool, limit: float | None
) -> None:
    chart = Chart("t", "d", "x", "y", log_y, from_zero, limit, width=400, height=200)
    text = line_chart([Series("a", [(10 * index, y) for index, y in enumerate(ys)])], chart)
    svg = ElementTree.fromstring(text)
    assert "nan" not in text
    assert "inf" not in text
    for path in svg.iter(SVG + "path"):
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.attrib["d"]):
            assert 0 <= float(x) <= 400
            assert 0 <= float(y) <= 200
    for line in svg.iter(SVG + "line"):
        assert all(0 <= float(line.attrib[end]) <= 400 for end in ("x1", "x2", "y1", "y2"))


def test_downsampling_keeps_spikes_gaps_and_order() -> None:
    points: list[Point] = [(x, math.sin(x / 500)) for x in range(10_000)]
    points[1234], points[5678] = (1234, 99.0), (5678, None)
    kept = downsample(points, 100)
    assert len(kept) <= 300
    assert (1234, 99.0) in kept
    assert (5678, None) in kept
    assert kept == sorted(kept, key=lambda point: point[0])
    assert set(kept) <= set(points)
    assert downsample(points[:300], 100) == points[:300]


def test_smoothing_by_hand() -> None:
    points: list[Point] = [(0, 10.0), (1, 4.0), (2, 1.0), (3, None), (4, 3.0), (5, 5.0)]
    # Windows: [10]; [10 4 1]; [10 4 1 - 3]; a gap; [1 - 3 5]; [- 3 5], looking back only.
    assert smooth(points, 2) == [(0, 10.0), (1, 5.0), (2, 4.5), (3, None), (4, 3.0), (5, 4.0)]
    assert smooth(points, 0) == points
    assert smooth([], 3) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(0, 10))
def test_smoothing_stays_between_the_extremes(ys: list[float], half_width: int) -> None:
    smoothed = [y for _, y in smooth(list(enumerate(ys)), half_width)]
    assert all(y is not None and min(ys) - 1e-6 <= y <= max(ys) + 1e-6 for y in smoothed)


def contrast(first: str, second: str) -> float:
    """WCAG 2.2's contrast ratio of two #rrggbb colours (relative luminance, sRGB)."""

    def luminance(color: str) -> float:
        channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_colours_stand_out_in_both_themes() -> None:
    light, dark = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in read_template("report.css").split("@media screen")[:2]
    ]
    for theme in (light, dark):
        assert all(contrast(theme[f"chart-{index}"], theme["chart-paper"]) >= 4.5 for index in (1, 2, 3))
        assert contrast(theme["ink"], theme["paper"]) >= 7
        assert all(
            contrast(theme[name], theme["paper"]) >= 4.5 for name in ("soft", "accent", "good", "bad", "chart-ink")
        )
        assert contrast(theme["prompt-ink"], theme["prompt"]) >= 4.5
        assert contrast(theme["soft"], theme["page"]) >= 4.5

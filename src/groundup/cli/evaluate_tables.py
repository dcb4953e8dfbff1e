"""The tables and the JSON of `groundup evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN_TEXT = ("data", "unit")
NOT_SHOWN = ("intervals", "texts", "signatures")
UNITS = {
    "stretches": "intervals: 95 %, over stretches of the text, since it is of few documents",
    "documents": "intervals: 95 %, over documents",
    "rows": "intervals: 95 %, over rows",
    "pairs": "intervals: 95 %, over pairs",
    "items": "intervals: 95 %, over items",
}


def print_figures(figures: Mapping[str, Any], as_json: bool) -> None:
    """Print one JSON object, or a row for each figure with its interval, then what it is told by."""
    if as_json:
        print_json(figures)
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    intervals = figures.get("intervals", {})
    table = Table(box=None, show_header=False)
    for name, value in figures.items():
        if name not in NOT_SHOWN and name != "unit" and not isinstance(value, Mapping | list):
            table.add_row(name.replace("_", " "), _shown(value), _between(intervals.get(name)))
    print_table(table)
    for name, groups in figures.items():
        if name.startswith("by_"):
            _print_groups(name.removeprefix("by_"), groups)
    for name, signature in figures.get("signatures", {}).items():
        print(f"{name}: {signature}")
    if "unit" in figures:
        print(UNITS[figures["unit"]])


def print_comparison(figures: Mapping[str, Any], a: str, b: str, as_json: bool) -> None:
    """Print one JSON object, or a row for each figure: both models', the difference, its interval, p."""
    if as_json:
        print_json(figures)
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table(box=None)
    for column in (f"on {figures['data']}", a, b, "difference", "95 % interval", "p"):
        table.add_column(column, justify="left" if column.startswith("on ") else "right")
    for name, one in figures["figures"].items():
        difference = one["difference"]
        p = "< 0.001" if one["p"] < 0.001 else f"{one['p']:.3f}"
        row = (_shown(one["a"]), _shown(one["b"]), f"{difference['value']:+,.4f}", _between(difference), p)
        table.add_row(name.replace("_", " "), *row)
    print_table(table)
    print(
        f"p: how often dealing out the two models' results at random, for each of {figures['n']:,} {figures['unit']}, "
        "makes a difference as large"
    )


def _print_groups(way: str, groups: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.table import Table

    from groundup.cli.tables import print_table

    names = [name for name in next(iter(groups.values())) if name not in (*NOT_SHOWN, "unit", "calibration", "tokens")]
    table = Table(box=None)
    table.add_column(way)
    for column in ("tokens", *names):
        table.add_column(column.replace("_", " "), justify="right")
    for group, figures in groups.items():
        cells = [f"{_shown(figures[name])} {_between(figures['intervals'].get(name))}" for name in names]
        table.add_row(group, f"{figures['tokens']:,}", *cells)
    print_table(table)


def print_json(figures: Mapping[str, Any]) -> None:
    """One line; what is no number there is null."""
    import json

    from groundup.run.files import without_infinities

    print(json.dumps(without_infinities(figures), ensure_ascii=False))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)


def _between(interval: Mapping[str, Any] | None) -> str:
    """An interval as it is written behind its figure."""
    if interval is None or interval["low"] is None:
        return ""
    return f"({interval['low']:,.4f} to {interval['high']:,.4f})"

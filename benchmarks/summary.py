"""From the parts' results to one Markdown table, suite.md, and two charts for each table: how fast, and how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chart import Bar, BarChart, bar_chart, figure

SPEEDS = {"tokens_per_second": "tokens/s", "megabytes_per_second": "MB/s", "seconds": "s"}
TITLES = {
    "throughput-small": "training, nanoGPT's Shakespeare shape for a CPU (context 64, batch 12)",
    "throughput-demo": "training, the same network with a context of 256 (batch 4)",
    "throughput-large": "training, nanoGPT's Shakespeare shape for a GPU (context 256, batch 64, dropout 0.2)",
    "generation": "generating",
    "tokenizing": "tokenizing",
    "tokenizing-byte-pairs": "byte pairs",
    "start_up": "start-up",
}


@dataclass(frozen=True)
class Table:
    """One setting of a part: its name for files, its title for people, and its rows."""

    name: str
    title: str
    base: str
    ratio: str
    """The key of a row that holds how many times as fast as the base it is."""
    rows: list[dict[str, Any]]
    left_out: dict[str, str]


def tables_of(part: str, result: Mapping[str, Any]) -> list[Table]:
    """A result's tables; one that has no `tables` is one itself."""
    made = []
    for table in result.get("tables") or [result]:
        rows = table["rows"]
        ratio = next(key for key in rows[0] if key.startswith("times_"))
        name = f"{part}-{table['name']}" if "name" in table else part
        title = f"{TITLES[part]}: {table['title']}" if "title" in table else TITLES[part]
        base = table.get("base") or next(row["name"] for row in rows if row[ratio] == 1.0)
        made.append(Table(name, title, base, ratio, rows, table.get("left_out", {})))
    return made


def quietness(machine: Mapping[str, Any]) -> str:
    """What else was going on before the measurement, in words."""
    busy = machine["busy_cores_before"]
    return "how busy it was is not known" if busy is None else f"others kept {busy:.1f} cores at work before it began"


def write_summary(results: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write suite.md and the charts."""
    said, lines, charts = [], [], []
    for part, result in results.items():
        machine = result["machine"]
        said.append(
            f"- `{result['command']}`  \n  {machine['cpu']}, {machine['cores']} cores, {machine['device']}; {quietness(machine)}"
        )
        for table in tables_of(part, result):
            lines += _lines(table)
            for kind, picture in _charts(table).items():
                path = folder / f"{table.name}-{kind}.svg"
                path.write_text(picture, encoding="utf-8")
                charts.append(f"![{table.title}: {kind}]({path.name})")
    heading = ["what", "who", "times the base", "half of the rounds", "figure", "peak RSS, MB"]
    text = [
        "# The benchmarks, as last run",
        'Medians over rounds in which all contenders were asked in turn. "Times the base": how many times as fast as the '
        "contender whose own line says 1, in the same round; the middle half of the rounds shows the spread.",
        "\n".join(said),
        "\n".join([_row(heading), _row(["---"] * len(heading)), *lines]),
        "\n\n".join(charts),
    ]
    (folder / "suite.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _lines(table: Table) -> list[str]:
    lines = []
    for row in table.rows:
        low, high = row["half_of_rounds"]
        unit = next(key for key in SPEEDS if key in row)
        remark = f" ({row['warning']})" if "warning" in row else ""
        lines.append(
            _row(
                [
                    table.title,
                    row["name"] + remark,
                    figure(row[table.ratio]),
                    f"{figure(low)}–{figure(high)}",
                    f"{figure(row[unit])} {SPEEDS[unit]}",
                    str(row["peak_rss_mb"]),
                ]
            )
        )
    return lines + [_row([table.title, name, f"left out: {why}", "", "", ""]) for name, why in table.left_out.items()]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _charts(table: Table) -> dict[str, str]:
    """Pictures by kind. Start-up is shown in seconds, everything else as times the base."""
    in_seconds = "half_of_seconds" in table.rows[0]
    value, spread = ("seconds", "half_of_seconds") if in_seconds else (table.ratio, "half_of_rounds")
    axis = "seconds, less is better" if in_seconds else f"times as fast as {table.base}, more is better"
    speed = [_bar(row, row[value], (row[spread][0], row[spread][1])) for row in table.rows]
    memory = [_bar(row, row["peak_rss_mb"], None) for row in table.rows]
    return {
        "speed": bar_chart(BarChart(table.title, axis, None if in_seconds else 1.0), speed),
        "memory": bar_chart(BarChart(table.title, "peak memory of the process (RSS) in MB, less is better"), memory),
    }


def _bar(row: Mapping[str, Any], value: float, whisker: tuple[float, float] | None) -> Bar:
    return Bar(row["name"], value, whisker, ours="groundup" in row["name"].lower())

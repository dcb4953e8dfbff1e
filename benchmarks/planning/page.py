"""The tables of docs/planning.md, made from results/planning.json, planning-further.json, planning-shakespeare.json, planning-budget.json,
planning-brief.json and shapes.json.

.venv/bin/python -m benchmarks.planning.page
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speedrun.shapes import markdown

from groundup.recipe.accelerators import ACCELERATORS
from groundup.report.pages import duration, size

ROOT = Path(__file__).parents[2]
RESULT, PAGE = ROOT / "benchmarks" / "results" / "planning.json", ROOT / "docs" / "planning.md"
FURTHER = ROOT / "benchmarks" / "results" / "planning-further.json"
SHAKESPEARE = ROOT / "benchmarks" / "results" / "planning-shakespeare.json"
BUDGET = ROOT / "benchmarks" / "results" / "planning-budget.json"
BRIEF = ROOT / "benchmarks" / "results" / "planning-brief.json"
SHAPES = ROOT / "benchmarks" / "results" / "shapes.json"
SECTION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with its tables as the results have them."""
    result, further, shakespeare, budget, brief, shapes = (
        json.loads(path.read_text(encoding="utf-8")) for path in (RESULT, FURTHER, SHAKESPEARE, BUDGET, BRIEF, SHAPES)
    )
    tables = {
        "shakespeare": lambda: shakespeare_rows(shakespeare),
        "budget": lambda: budget_rows(budget),
        "errors": lambda: errors(result),
        "further": lambda: errors(further),
        "summary": lambda: summary(result),
        "brief": lambda: brief_rows(brief),
        "shapes": lambda: markdown(shapes["rows"]),
        "cards": cards,
    }
    return SECTION.sub(lambda match: match[1] + tables[match[2]]() + match[3], page)


def summary(result: Mapping[str, Any]) -> str:
    """The medians in a sentence."""
    rows = result["rows"]
    estimates = sorted(abs(promised(row) / row["bytes"] - 1) for row in rows)
    middle = (estimates[(len(rows) - 1) // 2] + estimates[len(rows) // 2]) / 2
    worst = max(row["time_error"] for row in rows)
    return (
        f"Over {len(rows)} recipes the median error of the time is {result['median_time_error']:.1%}, of the peak memory "
        f"{result['median_memory_error']:.1%}, and of the memory that is worked out without a step, which the manifest keeps as the "
        f"promise, {middle:.1%}; the worst time is {worst:.0%} off. The longest measurement took {max(map(measuring, rows)):.0f} s, the "
        f"longest plan {result['longest_plan_seconds']:.0f} s, start and all.\n"
    )


def promised(row: Mapping[str, Any]) -> int:
    """The bytes that were worked out before the first step: as the run's manifest has them, or, in older results, as its plan did."""
    of_plan: int = row["plan"]["here"]["estimated_memory"]["total"]
    return int(row.get("promised_bytes", of_plan))


def measuring(row: Mapping[str, Any]) -> float:
    """Seconds that steps, readings and all else of a training were tried for."""
    return float(row["plan"]["here"]["measured"]["measuring"])


def errors(result: Mapping[str, Any]) -> str:
    """A row a recipe: planned, taken, and how far apart."""
    rows = []
    for row in result["rows"]:
        planned, taken = (f"{row[key] / 1e6:,.0f}" for key in ("planned_bytes", "bytes"))
        rows.append(
            [
                row["name"],
                f"{row['planned_seconds']:.1f} / {row['seconds']:.1f} s",
                signed(row["planned_seconds"] / row["seconds"] - 1),
                f"{planned} / {taken} MB",
                signed(row["planned_bytes"] / row["bytes"] - 1),
                signed(promised(row) / row["bytes"] - 1),
                f"{measuring(row):.0f} / {row['plan_seconds']:.0f} s",
            ]
        )
    head = [
        "recipe",
        "time: said / taken",
        "error",
        "memory: said / taken",
        "error",
        "worked out alone",
        "measuring / plan",
    ]
    return table(head, rows)


def shakespeare_rows(found: Mapping[str, Any]) -> str:
    """The recipe planned where nothing is prepared, planned where it is, and trained."""
    new, prepared = found["new_machine"], found["prepared"]
    rows = [
        [
            f"planned with nothing prepared, in {new['plan_seconds']:.0f} s (assumed: {'; '.join(new['assumed'][1:])})",
            duration(new["planned_seconds"]),
            size(new["planned_bytes"]),
        ],
        [
            f"planned with the text prepared, in {prepared['plan_seconds']:.0f} s",
            duration(prepared["planned_seconds"]),
            size(prepared["planned_bytes"]),
        ],
        ["trained", duration(prepared["seconds"]), size(prepared["bytes"])],
    ]
    return table(["", "time", "memory"], rows)


def budget_rows(found: Mapping[str, Any]) -> str:
    """The network that was found for so many minutes, and its training."""
    rows = []
    for row in found["rows"]:
        pairs = [
            (row["planned_seconds_of_steps"], row["seconds_of_steps"], duration),
            (row["planned_bytes"], row["bytes"], size),
            (row["planned_again_seconds"], row["seconds"], duration),
            (row["planned_again_bytes"], row["bytes"], size),
        ]
        told = [f"{shown(planned)} / {shown(taken)} ({signed(planned / taken - 1)})" for planned, taken, shown in pairs]
        rows.append([f"`--minutes {row['minutes']:g}`", f"{row['parameters']:,}", *told])
    head = ["asked for", "parameters", "steps: said / taken", "memory: said / taken"]
    head += ["in all: by its own plan / taken", "memory: by its own plan / taken"]
    return table(head, rows)


def brief_rows(brief: Mapping[str, Any]) -> str:
    """A row a training."""
    rows = []
    for row in brief["rows"]:
        way = row["strategy"]
        memory = row["bytes_by_strategy"][way or list(row["bytes_by_strategy"])[-1]]
        fits = f"{way}, {size(memory)} a card" if way else f"not as it is: {size(memory)} a card"
        if row["advice"]:
            fits += f"; with {', '.join(f'`{each}`' for each in row['advice'])} it does"
        kilowatt_hours = f"{row['joules'] / 3.6e6:,.0f} kWh"
        rows.append(
            [
                row["what"],
                f"{row['count']:,} × {row['card']}",
                f"{row['flops']:.1e}",
                duration(row["seconds"]),
                kilowatt_hours,
                fits,
            ]
        )
    return table(["what", "on", "operations", "time", "cards' energy", "memory"], rows)


def cards() -> str:
    """The table of accelerators."""
    rows = [
        [
            f"`{card.name}`",
            f"{card.flops / 1e12:g}",
            f"{card.full_flops / 1e12:g}",
            "–" if card.tf32_flops is None else f"{card.tf32_flops / 1e12:g}",
            f"{card.memory / 1e9:g}",
            f"{card.bandwidth / 1e12:g}",
            f"{card.watts:g}",
            card.source,
        ]
        for card in ACCELERATORS.values()
    ]
    return table(["name", "TFLOP/s", "in fp32", "in TF32", "GB", "TB/s", "W", "from"], rows)


def signed(share: float) -> str:
    return f"{share:+.1%}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    argparse.ArgumentParser(description="Fill the tables of docs/planning.md from the results.").parse_args()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Recall and precision of the privacy step on made-up data, drawn afresh in each run.

    .venv/bin/python -m benchmarks.privacy.run [--each 40] [--seed N] [--failures] [--output benchmarks/results/privacy.json]

The values come from `values.py`, written from the standards' descriptions, which shares no pattern, table or check with the
detector. Between them stand look-alikes: versions, ISBNs, hashes, function names, order numbers, times, prices and others.
Ends with status 1 when a kind other than names has recall below 0.95 or precision below 0.90.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path

from benchmarks.command import command_line
from benchmarks.privacy.scoring import Score
from benchmarks.privacy.texts import measured_set
from rich.console import Console
from rich.table import Table

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.settings import PrivacySettings

RECALL, PRECISION = 0.95, 0.90


def show(title: str, rows: list[dict[str, object]]) -> None:
    """Print rows as a table."""
    table = Table(*rows[0], title=title, box=None)
    for row in rows:
        table.add_row(
            *(
                "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
                for value in row.values()
            )
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall and precision of the privacy step, by kind and form.")
    parser.add_argument("--each", type=int, default=40, help="values of each form")
    parser.add_argument("--seed", type=int, help="repeat a run; a new one without it")
    parser.add_argument("--failures", action="store_true", help="print what was missed and what was wrong")
    parser.add_argument("--names", choices=("off", "context", "model"), default="context")
    parser.add_argument("--names-model", default=PrivacySettings.names_model)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(10**9)
    settings = PrivacySettings(names=arguments.names, names_model=arguments.names_model)
    score = Score()
    samples = measured_set(seed, arguments.each, arguments.each)
    for sample in samples:
        score.add(sample.text, sample.entities, find_personal_data(sample.text, settings))
    show(f"{len(samples):,} texts, {sum(score.entities.values()):,} entities, seed {seed}", score.rows())
    show("recall by form", score.form_rows())
    if arguments.failures:
        print("missed", *score.missed, sep="\n  ")
        print("wrong", *score.wrong, sep="\n  ")
    if arguments.output:
        result = {
            "command": command_line("benchmarks.privacy.run"),
            "seed": seed,
            "texts": len(samples),
            "kinds": score.rows(),
            "forms": score.form_rows(),
        }
        arguments.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    low = [
        row["kind"]
        for row in score.rows()
        if row["kind"] != "name" and ((row["recall"] or 0) < RECALL or (row["precision"] or 0) < PRECISION)
    ]
    if low:
        sys.exit(f"below recall {RECALL} or precision {PRECISION}: {', '.join(low)}")


if __name__ == "__main__":
    main()

"""What both sets have in common: their arguments, their tables, and the file that keeps a result."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.privacy.scoring import Score
from benchmarks.result import at_least_one, output_file, write
from rich.console import Console
from rich.table import Table

RECALL, PRECISION = 0.95, 0.90


def parser(description: str, each: int) -> argparse.ArgumentParser:
    """The arguments that both take; `each` is how many values of each form there are unless another number is given."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--each", type=at_least_one, default=each, help="values of each form")
    made.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="repeat a run; a new one without it")
    made.add_argument("--failures", action="store_true", help="print what was missed and what was wrong")
    made.add_argument("--output", type=output_file)
    return made


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
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


def tell(what: str, module: str, score: Score, arguments: argparse.Namespace) -> None:
    """Print and keep a score. Ends the program with status 1 when a kind other than names is found too seldom or too often."""
    rows = score.rows()
    show(f"{what}, {sum(score.entities.values()):,} entities, seed {arguments.seed}", rows)
    show("recall by form", score.form_rows())
    if arguments.failures:
        print("missed", *score.missed, sep="\n  ")
        print("wrong", *score.wrong, sep="\n  ")
    write(arguments.output, module, None, {"seed": arguments.seed, "kinds": rows, "forms": score.form_rows()})
    low = [
        row["kind"]
        for row in rows
        if row["kind"] != "name" and ((row["recall"] or 0) < RECALL or (row["precision"] or 0) < PRECISION)
    ]
    if low:
        sys.exit(f"below recall {RECALL} or precision {PRECISION}: {', '.join(low)}")

"""Standard tasks, our scorer beside lm-eval's `hf` model at several batch sizes: log-likelihoods compared, then items a second, in turn.

    .venv/bin/python -m benchmarks.tasks.run [--model DIRECTORY] [--items 50] [--compared 250] [--rounds 3] [--only mmlu,hellaswag]

Each contender is a process of its own that is asked in turn for all of a task's first items. `hf` is timed for its part alone, from
lm-eval's requests to their likelihoods; ours for everything from the rows on. Its figure is the median over the rounds of its speed
divided by that of the fastest `hf`; every round's seconds are kept. Prints tables and writes JSON.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.contender import Contender, Program, measure, start_all
from benchmarks.result import at_least_one, compared, output_file, show, wait_until_quiet, write
from benchmarks.tasks.sets import SETS, write_sets

from groundup.language_model.locate import find_model

BATCHES = (1, 8, 32)
COMPARING_BATCH = 8
COLUMNS = {
    "name": "",
    "times_theirs": "x best of hf",
    "half_of_rounds": "half of the rounds",
    "items_per_second": "items/s",
    "peak_rss_mb": "peak RSS, MB",
}


def contenders() -> dict[str, Program]:
    """`hf` in each batch size, then ours by itself and under lm-eval."""
    module = "benchmarks.tasks.groundup_scores"
    return {
        **{f"hf, batch {batch}": Program("benchmarks.tasks.hf_scores", "", {"BATCH": str(batch)}) for batch in BATCHES},
        "Groundup": Program(module),
        "Groundup under lm-eval": Program(module, "", {"ADAPTER": "1"}),
    }


def table(name: str, file: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All contenders' figures on one task, and how far our log-likelihoods are from theirs."""
    left_out: dict[str, str] = {}
    task = {
        "model": str(find_model(options.model)),
        "file": str(file),
        "items": options.items,
        "compared": options.compared,
        "comparing_batch": COMPARING_BATCH,
    }
    found = measure(start_all(contenders(), task, left_out, telling=True), options.rounds, 1, left_out, warm_up=1)
    theirs = [one for one in found if one.name.startswith("hf")]
    best = min(theirs, key=lambda one: statistics.median(one.seconds))
    rows = [_row(one, best, options.items) for one in found]
    title = f"{name}: {options.items} items"
    show(title, COLUMNS, rows, left_out)
    difference = _difference(found)
    print(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in difference.items()))
    return {
        "name": name,
        "title": title,
        "base": best.name,
        "rows": rows,
        "left_out": left_out,
        "likelihoods": difference,
    }


def _row(contender: Contender, base: Contender, items: int) -> dict[str, Any]:
    return {
        "name": contender.name,
        **compared(base.seconds, contender.seconds, "times_theirs"),
        "items_per_second": round(items / statistics.median(contender.seconds), 2),
        "peak_rss_mb": round(contender.peak_rss / 1e6),
    }


def _difference(found: list[Contender]) -> dict[str, Any]:
    told = {one.name: one.told.get("scores") for one in found}
    theirs, ours = np.array(told[f"hf, batch {COMPARING_BATCH}"]), np.array(told["Groundup"])
    apart = np.abs(theirs - ours)
    return {
        "number": len(apart),
        "largest_difference": float(f"{apart.max():.2g}"),
        "largest_relative": float(f"{(apart / np.abs(theirs)).max():.2g}"),
        "above_1e-4": int((apart > 1e-4).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a Hugging Face directory, or a run")
    parser.add_argument("--items", type=at_least_one, default=50, help="timed, of each task")
    parser.add_argument(
        "--compared", type=at_least_one, default=250, help="whose log-likelihoods are compared, of each task"
    )
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--only", default=",".join(SETS), help="these tasks, by commas")
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    busy_before = wait_until_quiet()
    with tempfile.TemporaryDirectory() as folder:
        files = write_sets(Path(folder))
        tables: list[dict[str, Any]] = []
        facts = {"model": Path(options.model).name, "rounds": options.rounds, "batches": BATCHES, "tables": tables}
        for name in options.only.split(","):
            tables.append(table(name, files[name], options))
            write(
                options.output, "benchmarks.tasks.run", busy_before, facts
            )  # a task can take ten minutes: what is known is kept


if __name__ == "__main__":
    main()

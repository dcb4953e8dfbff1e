"""`groundup plan` held to `groundup train`: a recipe planned in one process and trained in the next, total time and peak memory compared.

    python -m benchmarks.planning.run --output benchmarks/results/planning.json

Texts and tokenizers are prepared before, so that neither counts it. A recipe's error is |planned - taken| / taken.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.planning.fitted_on import FITTED_ON
from benchmarks.planning.recipes import FURTHER, RECIPES
from benchmarks.result import output_file, wait_until_quiet, write


def main() -> None:
    parser = argparse.ArgumentParser(description="Plans beside the trainings that they are of.")
    parser.add_argument("--only", nargs="*", help="these recipes alone, by the beginning of their names")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fitted-on", action="store_true", help="the shapes that constants were chosen by, instead")
    which.add_argument("--further", action="store_true", help="six more recipes, of other kinds, instead")
    parser.add_argument("--prepare", action="store_true", help="only prepare what the recipes read")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no further recipe after so many")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    every = FITTED_ON if arguments.fitted_on else FURTHER if arguments.further else RECIPES
    chosen = {
        name: recipe
        for name, recipe in every.items()
        if not arguments.only or any(name.startswith(each) for each in arguments.only)
    }
    if arguments.prepare:
        prepare(chosen)
        return
    busy_before, end = wait_until_quiet(seconds=5), time.monotonic() + 60 * arguments.minutes
    rows = []
    for name, (recipe, overrides) in chosen.items():
        if time.monotonic() > end:
            print(f"no time for {name}", file=sys.stderr)
            continue
        rows.append(compared(name, recipe, overrides))
        print(json.dumps({key: rows[-1][key] for key in SHOWN}), flush=True)
        write(arguments.output, "benchmarks.planning.run", busy_before, {**summary(rows), "rows": rows})
    print(json.dumps(summary(rows)))


SHOWN = ("name", "planned_seconds", "seconds", "time_error", "planned_bytes", "bytes", "memory_error", "plan_seconds")


def prepare(chosen: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    """Read, split and encode what the recipes train on, once."""
    from groundup.recipe.data import prepare_recipe
    from groundup.recipe.settings import load_recipe

    for name, (recipe, overrides) in chosen.items():
        data = prepare_recipe(load_recipe(recipe, overrides), Path(), print)
        print(f"{name}: {data.plan.num_rows:,} rows")


def compared(name: str, recipe: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    """Plan it, train it, and say how far apart the two are."""
    plan_seconds, _, printed = run(["plan", recipe, *overrides, "--json"])
    planned = json.loads(printed)
    here = planned.get("here", planned)
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak, _ = run(["train", recipe, *overrides, "--run", f"{folder}/run", "--json"])
        kept = RunResult(Path(folder) / "run")
        shutil.rmtree(Path(folder) / "run")
    return {
        "name": name,
        "recipe": recipe,
        "overrides": list(overrides),
        "planned_seconds": round(here["seconds"], 2),
        "seconds": round(seconds, 2),
        "time_error": round(abs(here["seconds"] - seconds) / seconds, 4),
        "planned_bytes": here["memory_bytes"],
        "bytes": peak,
        "memory_error": round(abs(here["memory_bytes"] - peak) / peak, 4),
        "plan_seconds": round(plan_seconds, 2),
        "promised_bytes": kept.promised_bytes,
        "seconds_of_steps": kept.seconds,
        "plan": planned,
    }


class RunResult:
    """What a run says of itself."""

    def __init__(self, path: Path) -> None:
        self.seconds: float = json.loads((path / "result.json").read_text())["seconds"]
        self.promised_bytes: int = json.loads((path / "manifest.json").read_text())["plan"]["promise"]["bytes"]
        """The memory that was worked out before the first step."""


def run(arguments: list[str]) -> tuple[float, int, str]:
    """The command line in a process of its own: seconds from start to end, the most memory it held, what it printed."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "groundup", *arguments], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode:
            raise SystemExit(f"groundup {' '.join(arguments)} failed: {err.read()[-2000:]}")
        return seconds, usage.ru_maxrss * 1024, out.read()


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Over all recipes."""
    return {
        "median_time_error": statistics.median(row["time_error"] for row in rows),
        "median_memory_error": statistics.median(row["memory_error"] for row in rows),
        "longest_plan_seconds": max(row["plan_seconds"] for row in rows),
    }


if __name__ == "__main__":
    main()

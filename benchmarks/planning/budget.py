"""`groundup plan shakespeare --minutes M` held to the training that it prints: its whole time, its steps' time and its peak memory.

    python -m benchmarks.planning.budget --output benchmarks/results/planning-budget.json

The network that it found is planned once more by itself, as any recipe is, before it is trained.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.planning.run import RunResult, run
from benchmarks.result import output_file, wait_until_quiet, write

RECIPE = "shakespeare"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    busy_before, rows = wait_until_quiet(seconds=5), []
    for minutes in arguments.minutes:
        rows.append(held_to(minutes))
        print(json.dumps({key: value for key, value in rows[-1].items() if key != "plan"}), flush=True)
        write(arguments.output, "benchmarks.planning.budget", busy_before, {"rows": rows})


def held_to(minutes: float) -> dict[str, Any]:
    """Find a network for so long, plan it, train it."""
    plan_seconds, _, printed = run(["plan", RECIPE, "--minutes", f"{minutes:g}", "--json"])
    plan = json.loads(printed)
    shape = plan["shape_for_budget"]
    _, _, printed = run(["plan", RECIPE, *shape["overrides"], "--json"])
    again = json.loads(printed)["here"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        seconds, peak, _ = run(["train", RECIPE, *shape["overrides"], "--run", str(path), "--json"])
        seconds_of_steps = RunResult(path).seconds
    return {
        "minutes": minutes,
        "plan_seconds": round(plan_seconds, 2),
        "overrides": shape["overrides"],
        "parameters": shape["parameters"],
        "planned_seconds_of_steps": round(shape["seconds_of_steps"], 2),
        "planned_bytes": shape["memory_bytes"],
        "planned_again_seconds": round(again["seconds"], 2),
        "planned_again_bytes": again["memory_bytes"],
        "seconds": round(seconds, 2),
        "seconds_of_steps": round(seconds_of_steps, 2),
        "bytes": peak,
        "plan": plan,
    }


if __name__ == "__main__":
    main()

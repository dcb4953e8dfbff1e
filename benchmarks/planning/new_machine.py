"""`groundup plan shakespeare` where the text was never seen, then where it is prepared, and the training itself.

    python -m benchmarks.planning.new_machine --output benchmarks/results/planning-shakespeare.json

In a cache folder of its own, which is deleted. The text is fetched between the two plans.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from benchmarks.planning.run import compared, prepare, run
from benchmarks.result import output_file, wait_until_quiet, write

RECIPE = "shakespeare"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    busy_before = wait_until_quiet(seconds=5)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GROUNDUP_CACHE"] = str(Path(folder) / "cache")
        plan_seconds, _, printed = run(["plan", RECIPE, "--json"])
        plan = json.loads(printed)
        new_machine = {
            "plan_seconds": round(plan_seconds, 2),
            "planned_seconds": round(plan["here"]["seconds"], 2),
            "planned_bytes": plan["here"]["memory_bytes"],
            "assumed": plan["assumed"],
            "plan": plan,
        }
        prepare({RECIPE: (RECIPE, ())})
        found = {"new_machine": new_machine, "prepared": compared(RECIPE, RECIPE, ())}
    write(arguments.output, "benchmarks.planning.new_machine", busy_before, found)
    for name, kept in found.items():
        print(name, json.dumps({key: value for key, value in kept.items() if key != "plan"}))


if __name__ == "__main__":
    main()

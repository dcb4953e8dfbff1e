"""Two processes of one thread beside one process of two threads: whole trainings by the same recipe, in turn.

    python -m benchmarks.processes --output benchmarks/results/processes.json

What is compared is the seconds that training took by the runs' own count, without loading, validation and saving.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.result import at_least_one, busy_cores, compared, output_file, show, write

WAYS = {
    "one process, two threads": ["training.num_threads=2"],
    "two processes (ddp), one thread each": [
        "training.num_threads=1",
        "parallel.strategy=ddp",
        "parallel.processes=2",
    ],
    "two processes (fsdp), one thread each": [
        "training.num_threads=1",
        "parallel.strategy=fsdp",
        "parallel.processes=2",
    ],
}
SHAPES = {
    "the demo's network, 0.6 million parameters": [],
    "a larger one, 10.6 million": [
        "model.d_model=384",
        "model.num_layers=6",
        "model.num_heads=6",
        "training.batch_size=16",
    ],
}
QUIET = ["training.eval_steps=100000", "training.save_steps=100000", "training.sample_tokens=0"]


def seconds_a_step(source: str, steps: int, settings: list[str]) -> float:
    """Of the second half of a training, by its own records: in the first one memory is still being laid out."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "groundup", "train", "shakespeare", f"data.source={source}", *QUIET, *settings]
        command += [f"training.max_steps={steps}", f"training.logging_steps={max(1, steps // 2)}", "--run", str(run)]
        subprocess.run(command, check=True, capture_output=True)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        first, last = [line["seconds"] for line in lines if line["kind"] == "train"][:2]
        return float(last - first) / (steps - steps // 2)


COLUMNS = {"way": "way", "times_as_fast": "times as fast", "half_of_rounds": "middle half of the rounds"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="shakespeare", help="the text, as data.source has it")
    parser.add_argument("--rounds", type=at_least_one, default=5)
    parser.add_argument("--steps", type=at_least_one, default=100)
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    before, tables = busy_cores(), {}
    for shape, settings in SHAPES.items():
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way, changed in WAYS.items():
                seconds[way].append(seconds_a_step(options.source, options.steps, [*settings, *changed]))
        base = next(iter(WAYS))
        rows = [{"way": way, **compared(seconds[base], own, "times_as_fast")} for way, own in seconds.items()]
        show(f"a training step, {shape}", COLUMNS, rows, {})
        tables[shape] = {"base": base, "rows": rows, "left_out": {}}
        facts = {"rounds": options.rounds, "steps": options.steps, "tables": tables}
        write(options.output, "benchmarks.processes", before, facts)  # after each, since the larger one takes long


if __name__ == "__main__":
    main()

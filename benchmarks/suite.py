"""The whole suite, part after part: `make bench`.

    .venv/bin/python -m benchmarks.suite [PART ...] [--quick] [--nanogpt CHECKOUT] [--text FILE] [--keep | --output FOLDER]

Each part is a program of its own that writes FOLDER/PART.json. From all of those that lie there, one table (suite.md) and the
charts (SVG) are made anew. FOLDER is `build/benchmarks`, or with --keep the one that the README's figures come from. A quick pass
shows that everything runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import ROOT
from benchmarks.result import nanogpt_checkout, text_file
from benchmarks.summary import write_summary

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Part:
    """A program of the suite, its arguments, and those of a quick pass."""

    module: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Which of the suite's own options it takes."""


LARGE = "Groundup gpt2, AdamW; Groundup gpt2, AdamW, bf16"  # a step takes ten seconds and more
PARTS = {
    "throughput-small": Part(
        "benchmarks.throughput.run",
        ("--shape", "small", "--rounds", "15", "--steps", "10"),
        ("--shape", "small", "--rounds", "2", "--steps", "3"),
        ("nanogpt",),
    ),
    "throughput-demo": Part(
        "benchmarks.throughput.run",
        ("--shape", "demo", "--rounds", "15", "--steps", "10"),
        ("--shape", "demo", "--rounds", "2", "--steps", "3"),
        ("nanogpt",),
    ),
    "throughput-large": Part(
        "benchmarks.throughput.run",
        ("--shape", "large", "--rounds", "5", "--steps", "1", "--only", LARGE),
        ("--shape", "large", "--rounds", "1", "--steps", "1", "--only", LARGE),
        ("nanogpt",),
    ),
    "generation": Part("benchmarks.generation.run", (), ("--quick",), ("nanogpt",)),
    "tokenizing": Part("benchmarks.tokenizing.run", (), ("--rounds", "2", "--megabytes", "1"), ("text",)),
    "tokenizing-byte-pairs": Part("benchmarks.tokenizing.byte_pairs", (), ("--megabytes", "2", "--slices", "2")),
    "start_up": Part("benchmarks.start_up.run", (), ("--rounds", "1"), ()),
}


def run_part(name: str, arguments: argparse.Namespace, output: Path) -> bool:
    """Run a part to its end; whether it gave a result."""
    part = PARTS[name]
    given = [
        f"--{option}={getattr(arguments, option).resolve()}" for option in part.options if getattr(arguments, option)
    ]
    command = [sys.executable, "-m", part.module, *(part.quick if arguments.quick else part.full), *given]
    start = time.perf_counter()
    done = subprocess.run([*command, f"--output={output / name}.json"], cwd=ROOT)
    print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description="All benchmarks, or the parts that are named.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)} (all without one)")
    parser.add_argument("--quick", action="store_true", help="a few rounds only: does everything run?")
    parser.add_argument("--nanogpt", type=nanogpt_checkout, help="a checkout of nanoGPT, which is left out without one")
    parser.add_argument("--text", type=text_file, help="a text to tokenize; the demo's plays without one")
    parser.add_argument("--output", type=Path, help="the folder for results (build/benchmarks without one)")
    parser.add_argument(
        "--keep", action="store_true", help="write to benchmarks/results, which the README's figures come from"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part is called {min(unknown)!r}; there are: {', '.join(PARTS)}")
    output = (arguments.output or (RESULTS if arguments.keep else ROOT / "build" / "benchmarks")).resolve()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{output} can't be made: {error.strerror}")
    failed = [name for name in arguments.parts or PARTS if not run_part(name, arguments, output)]
    paths = {name: output / f"{name}.json" for name in PARTS}
    results = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}
    write_summary(results, output)
    print(f"{output / 'suite.md'}")
    if arguments.keep:
        print("now renew the README's table: .venv/bin/python -m benchmarks.readme")
    if failed:
        sys.exit(f"no result of: {', '.join(failed)}")


if __name__ == "__main__":
    main()

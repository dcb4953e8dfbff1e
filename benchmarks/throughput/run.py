"""Training steps of several programs, in turn, each in a process of its own: who takes how long, and how much memory.

    .venv/bin/python -m benchmarks.throughput.run --nanogpt ../nanoGPT [--shape small|demo|large] [--busy 2]

nanoGPT is measured from a checkout of its repository. Each round asks every contender for the same number of steps, one
after the other, in an order that changes; a contender's figure is the median over the rounds of its speed divided by
nanoGPT's in the same round. `--busy N` keeps N other processes at work meanwhile, as on a shared machine. Prints a table and
writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from benchmarks.command import command_line
from rich.console import Console
from rich.table import Table

from groundup.device import available_cores, describe_machine

ROOT = Path(__file__).parents[2]
SHAPES = {
    "small": {"num_layers": 4, "num_heads": 4, "d_model": 128, "context": 64, "batch_size": 12, "dropout": 0.0},
    "demo": {"num_layers": 4, "num_heads": 4, "d_model": 128, "context": 256, "batch_size": 4, "dropout": 0.0},
    "large": {"num_layers": 6, "num_heads": 6, "d_model": 384, "context": 256, "batch_size": 64, "dropout": 0.2},
}
BASE = "nanoGPT"
CONTENDERS: dict[str, tuple[str, dict[str, str]]] = {
    BASE: ("nanogpt_loop", {}),
    "transformers GPT-2, plain loop": ("transformers_loop", {}),
    "Groundup gpt2, AdamW": ("groundup_loop", {"LAYOUT": "gpt2"}),
    "Groundup gpt2, AdamW, one thread": ("groundup_loop", {"LAYOUT": "gpt2", "THREADS": "1"}),
    "Groundup gpt2, AdamW, operations split": ("groundup_loop", {"LAYOUT": "gpt2", "SPLIT": "operations"}),
    "Groundup gpt2, AdamW, memory handed back": ("groundup_loop", {"LAYOUT": "gpt2", "MEMORY": "system"}),
    "Groundup llama, AdamW": ("groundup_loop", {"LAYOUT": "llama"}),
    "Groundup qwen3, AdamW, operations split": ("groundup_loop", {"LAYOUT": "qwen3", "SPLIT": "operations"}),
    "Groundup qwen3, AdamW": ("groundup_loop", {"LAYOUT": "qwen3"}),
    "Groundup qwen3, Muon": ("groundup_loop", {"LAYOUT": "qwen3", "OPTIMIZER": "muon"}),
}


@dataclass
class Contender:
    """A process that takes steps when it is asked."""

    name: str
    process: subprocess.Popen[str]
    seconds: list[float] = field(default_factory=list)
    peak_rss: int = 0

    def take(self, steps: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"steps": steps}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early, with exit status {self.process.wait()}")
        return float(json.loads(line)["seconds"])

    def end(self) -> None:
        out, _ = self.process.communicate()
        self.peak_rss = int(json.loads(out)["peak_rss"])


def start(name: str, shape: dict[str, float], nanogpt: Path) -> Contender:
    script, environment = CONTENDERS[name]
    command = [sys.executable, "-m", f"benchmarks.throughput.{script}", json.dumps({**shape, "vocab_size": 65})]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment, "NANOGPT": str(nanogpt)},
    )
    return Contender(name, process)


def measure(contenders: list[Contender], rounds: int, steps: int) -> None:
    for contender in contenders:
        contender.take(2)  # warms up
    order = random.Random(0)
    for _ in range(rounds):
        order.shuffle(contenders)
        for contender in contenders:
            contender.seconds.append(contender.take(steps) / steps)
    for contender in contenders:
        contender.end()


def summarize(contenders: list[Contender], tokens: int) -> list[dict[str, object]]:
    base = next(contender for contender in contenders if contender.name == BASE)
    rows: list[dict[str, object]] = []
    for name in CONTENDERS:
        for contender in contenders:
            if contender.name != name:
                continue
            ratios = sorted(theirs / ours for theirs, ours in zip(base.seconds, contender.seconds, strict=True))
            quarter = len(ratios) // 4
            rows.append(
                {
                    "name": name,
                    "times_nanogpt": round(statistics.median(ratios), 3),
                    "half_of_rounds": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
                    "tokens_per_second": round(tokens / statistics.median(contender.seconds)),
                    "peak_rss_mb": round(contender.peak_rss / 1e6),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Training throughput, beside nanoGPT and others.")
    parser.add_argument("--nanogpt", type=Path, required=True, help="a checkout of nanoGPT")
    parser.add_argument("--shape", choices=list(SHAPES), default="small")
    parser.add_argument("--busy", type=int, default=0, help="other processes at work meanwhile")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--only", default="", help="these contenders beside nanoGPT, by ; (names as in the table)")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    wanted = [name.strip() for name in arguments.only.split(";") if name.strip()] or list(CONTENDERS)
    if unknown := set(wanted) - set(CONTENDERS):
        parser.error(f"no contender is called {min(unknown)!r}; there are: {'; '.join(CONTENDERS)}")
    names = [name for name in CONTENDERS if name == BASE or name in wanted]
    shape = SHAPES[arguments.shape]
    load = os.getloadavg()[0]
    contenders = [start(name, shape, arguments.nanogpt.resolve()) for name in names]
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy)]
    measure(contenders, arguments.rounds, arguments.steps)
    for other in others:
        other.kill()
    rows = summarize(contenders, int(shape["batch_size"] * shape["context"]))
    cores = f"{available_cores()} cores, {arguments.busy} other processes at work, load {load:.1f} before"
    table = Table(
        "", "x nanoGPT", "half of the rounds", "tokens/s", "peak RSS, MB", title=f"{arguments.shape}; {cores}"
    )
    for row in rows:
        figures = (f"{row['times_nanogpt']:.2f}", row["half_of_rounds"], f"{row['tokens_per_second']:,}")
        table.add_row(str(row["name"]), *map(str, figures), str(row["peak_rss_mb"]))
    Console().print(table)
    if arguments.output:
        result = {
            "command": command_line("benchmarks.throughput.run"),
            "shape": shape,
            "machine": {**describe_machine(torch.device("cpu")), "load_before": load},
            "rounds": arguments.rounds,
            "steps_a_round": arguments.steps,
            "rows": rows,
        }
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How large a network for so much time? Shapes of the family that `groundup plan --minutes` searches, each trained for the same time.

    .venv/bin/python -m benchmarks.speedrun.shapes [--steps 600 2000 6000] [--seeds 1]

A time is that of so many steps of the recipe that `make demo` trains by. What a shape's step costs is measured beside the recipe's, in
turn, on one thread; then it is trained for as many steps as fit, by the recipe's rule for other widths (docs/speedrun.md). The text is
the catalogue's `shakespeare`; its last twentieth is held out. A run follows from its seed and its steps alone, so other programs on
the machine change nothing but the waiting.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.command import command_line
from benchmarks.result import at_least_one, busy_cores, machine, output_file
from benchmarks.speedrun.ladder import BASE
from benchmarks.speedrun.runner import Rung, cost_a_step, train
from rich.progress import track

from groundup.model.counts import parameter_counts
from groundup.model.settings import preset_config
from groundup.report.pages import figure
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

SHAPES = ((64, 1), (64, 2), (128, 1), (128, 2), (128, 3), (128, 4), (192, 3), (192, 4), (256, 4), (256, 6))
"""Width and depth."""
CONTEXT, ROWS = BASE.model["max_seq_len"], BASE.training["batch_size"]


def read_text() -> tuple[np.ndarray, np.ndarray]:
    """The ids of the plays: what is trained on, and what is held out."""
    documents = read_documents(DataSettings(source="shakespeare"), cache_directory(), print)
    text = "\n".join(document.text for document in documents)
    table = {character: number for number, character in enumerate(sorted(set(text)))}
    ids = np.array([table[character] for character in text], np.uint16)
    cut = int(0.95 * len(ids))
    return ids[:cut], ids[cut:]


def rung(width: int, depth: int, vocab_size: int) -> Rung:
    """A shape, and the learning rate that its width wants."""
    heads = {"num_heads": width // 64, "head_dim": 64}
    rate = BASE.training["learning_rate"] * (BASE.model["d_model"] / width) ** 0.5
    model = {"d_model": width, "num_layers": depth, "vocab_size": vocab_size, **heads}
    return Rung(f"{width} × {depth}", model=model, training={"learning_rate": rate})


def one_run(shape: tuple[int, int], seed: int, steps: int) -> float:
    torch.set_num_threads(1)
    text = read_text()
    return train(BASE, rung(*shape, vocab_size=int(text[0].max()) + 1), text, seed, steps)["loss"]


def parameters(shape: tuple[int, int], vocab_size: int) -> int:
    fields = {**BASE.model, **rung(*shape, vocab_size=vocab_size).model}
    return parameter_counts(preset_config("qwen3", **fields))["total"]


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| time of | width × layers | parameters | steps | tokens a parameter | loss |", "|---" * 6 + "|"]
    for row in rows:
        mark = "**" if row["loss"] == min(one["loss"] for one in rows if one["time"] == row["time"]) else ""
        lines.append(
            f"| {row['time']:,} steps | {row['shape']} | {row['parameters']:,} | {row['steps']:,} | "
            f"{figure(row['tokens_a_parameter'], 2)} | {mark}{row['loss']:.4f}{mark} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Shapes, each trained for the same time.")
    parser.add_argument("--steps", type=at_least_one, nargs="+", default=[600, 2000, 6000], help="of the base")
    parser.add_argument("--shapes", nargs="+", default=[f"{width}x{depth}" for width, depth in SHAPES])
    parser.add_argument("--seeds", type=at_least_one, default=1)
    parser.add_argument("--processes", type=at_least_one, default=2)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    busy_before = busy_cores()
    text = read_text()
    vocab_size = int(text[0].max()) + 1
    base = Rung("base", {**BASE.model, "vocab_size": vocab_size}, BASE.training)
    shapes = [(int(width), int(depth)) for width, depth in (shape.split("x") for shape in arguments.shapes)]
    costs = {shape: cost_a_step(base, rung(*shape, vocab_size), text) for shape in track(shapes, "timing")}
    jobs = [
        (time, shape, seed, max(1, round(time / cost)))
        for time in arguments.steps
        for shape, cost in costs.items()
        for seed in range(1, arguments.seeds + 1)
    ]
    rows = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        futures = [pool.submit(one_run, shape, seed, steps) for _, shape, seed, steps in jobs]
        for (time, shape, seed, steps), future in zip(jobs, track(futures, "training"), strict=True):
            count = parameters(shape, vocab_size)
            rows.append(
                {
                    "time": time,
                    "shape": f"{shape[0]} × {shape[1]}",
                    "parameters": count,
                    "cost_a_step": round(costs[shape], 3),
                    "steps": steps,
                    "tokens_a_parameter": round(steps * ROWS * CONTEXT / count, 3),
                    "seed": seed,
                    "loss": round(future.result(), 4),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    print(markdown(rows))
    if arguments.output:
        write(arguments.output, busy_before, rows)


def write(path: Path, busy_before: float | None, rows: Sequence[dict[str, Any]]) -> None:
    result = {
        "command": command_line("benchmarks.speedrun.shapes"),
        "machine": machine(busy_before),
        "rows": list(rows),
    }
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()

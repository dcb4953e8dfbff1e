"""Does the recipe carry over to other sizes? The rule, and its neighbours, at a smaller and at a larger network.

    .venv/bin/python -m benchmarks.speedrun.sizes --text tinyshakespeare.txt [--seeds 2]

The rule: `matrix_learning_rate` and everything else stay as they are (Muon's update has the same size in every direction whatever the
width); AdamW's `learning_rate`, which moves embeddings and norms, goes with 1 / √(d_model / 128); heads stay 64 wide. Each
neighbour changes one rate or the batch by a factor of two, over the same tokens. Writes JSON and a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from benchmarks.command import command_line
from benchmarks.result import at_least_one, machine, output_file, wait_until_quiet
from benchmarks.speedrun.ladder import BASE
from benchmarks.speedrun.runner import Rung, load_text, train
from rich.progress import track

SIZES = {  # name: the network, and the steps at a batch of 8 rows
    "width 64, 2 layers": ({"d_model": 64, "num_layers": 2, "num_heads": 1}, 300),
    "width 256, 4 layers": ({"d_model": 256, "num_layers": 4, "num_heads": 4}, 120),
}
NEIGHBOURS = {
    "the rule": {},
    "Muon's rate halved": {"matrix_learning_rate": 0.5},
    "Muon's rate doubled": {"matrix_learning_rate": 2.0},
    "AdamW's rate halved": {"learning_rate": 0.5},
    "AdamW's rate doubled": {"learning_rate": 2.0},
    "batch halved": {"batch_size": 0.5},
    "batch doubled": {"batch_size": 2.0},
}


def recipe(size: str, neighbour: str) -> tuple[Rung, int]:
    """The network and settings, and how many steps."""
    network, steps = SIZES[size]
    width = network.get("d_model", BASE.model["d_model"])
    settings = {**BASE.training, "learning_rate": BASE.training["learning_rate"] * (128 / width) ** 0.5}
    changed = {name: settings[name] * factor for name, factor in NEIGHBOURS[neighbour].items()}
    batch_size = int(changed.pop("batch_size", settings["batch_size"]))
    training = {**settings, **changed, "batch_size": batch_size}
    return Rung(neighbour, model=network, training=training), steps * BASE.training["batch_size"] // batch_size


def one_run(size: str, neighbour: str, text: Path, seed: int) -> float:
    torch.set_num_threads(1)
    rung, steps = recipe(size, neighbour)
    return train(BASE, rung, load_text(text), seed, steps)["loss_64"]


def markdown(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(row["size"] for row in rows))
    lines = ["| loss, windows of 64 | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for neighbour in NEIGHBOURS:
        cells = [f"{row['loss_64']:.4f}" for row in rows if row["neighbour"] == neighbour]
        lines.append(f"| {neighbour} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="The recipe at other sizes, and what lies around it.")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--seeds", type=at_least_one, default=2)
    parser.add_argument("--processes", type=at_least_one, default=2)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    load_text(arguments.text)  # or it isn't tiny Shakespeare
    busy_before = wait_until_quiet()
    jobs = [
        (size, neighbour, seed) for size in SIZES for neighbour in NEIGHBOURS for seed in range(1, arguments.seeds + 1)
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        futures = [pool.submit(one_run, size, neighbour, arguments.text, seed) for size, neighbour, seed in jobs]
        losses = [future.result() for future in track(futures, "training")]
    found = dict(zip(jobs, losses, strict=True))
    rows = []
    for size in SIZES:
        for neighbour in NEIGHBOURS:
            own = [found[size, neighbour, seed] for seed in range(1, arguments.seeds + 1)]
            mean = round(statistics.mean(own), 4)
            rows.append(
                {"size": size, "neighbour": neighbour, "loss_64": mean, "losses": [round(one, 4) for one in own]}
            )
    print(markdown(rows))
    if arguments.output:
        command = command_line("benchmarks.speedrun.sizes")
        result = {"command": command, "machine": machine(busy_before), "rows": rows}
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(markdown(rows))


if __name__ == "__main__":
    main()

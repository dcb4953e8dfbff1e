"""The ladder: which tricks of the GPU speedruns help a small model on a laptop, one at a time, in the same time.

    .venv/bin/python -m benchmarks.speedrun.ladder --text tinyshakespeare.txt [--steps 600] [--seeds 3] [--processes 2]

Every rung changes one thing of the base, which is the recipe that `make demo` trains by. First each rung's step is timed beside the
base's, in turn; then it is trained for as many steps as fit into the base's time. A run follows from its seed and its steps
alone, so other programs on the machine change nothing but the waiting.

A rung helps if (base's mean loss - its mean loss) · √n is at least a threshold, n seeds each: 2√2 standard deviations of one
recipe's loss from seed to seed (pooled over all rungs), which is two standard errors of that difference. Writes JSON and a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.command import command_line
from benchmarks.result import at_least_one, machine, output_file, wait_until_quiet
from benchmarks.speedrun import tricks
from benchmarks.speedrun.runner import Rung, cost_a_step, load_text, train
from rich.progress import track

import groundup.training.muon as muon
from groundup.training.optimizers import Optimizer

BASE = Rung(
    "base",
    model={"d_model": 128, "num_layers": 3, "num_heads": 2, "max_seq_len": 128, "initialization": "scaled"},
    training={
        "batch_size": 8,
        "optimizer": "muon",
        "learning_rate": 0.006,
        "matrix_learning_rate": 0.02,
        "momentum": 0.9,
        "schedule": "linear",
        "warmup_steps": 20,
        "length_warmup_fraction": 0.5,
    },
)

# Amsel et al. 2025, "The Polar Express", algorithm 1: each step's own quintic.
POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)


# qwen3's layout spelled out in `classic`, which takes any combination.
FREE = {"preset": "classic", "norm": "rmsnorm", "norm_position": "pre", "activation": "swiglu", "qk_norm": True, "bias": "none",
        "tie_embeddings": True, "dropout": 0.0, "position": "rope"}  # fmt: skip


def newton_schulz(*quintics: muon.Quintic) -> Callable[[Optimizer], None]:
    """Muon's iterations, each with its own quintic."""

    def change(optimizer: Optimizer) -> None:
        optimizer.muon.quintics = quintics

    return change


RUNGS = [
    Rung("AdamW for all, rate 0.004", training={"optimizer": "adamw", "learning_rate": 0.004}),
    Rung("AdamW for all, rate 0.008", training={"optimizer": "adamw", "learning_rate": 0.008}),
    Rung("Muon's rate 0.01", training={"matrix_learning_rate": 0.01}),
    Rung("Muon's rate 0.03", training={"matrix_learning_rate": 0.03}),
    Rung("Muon's rate 0.05", training={"matrix_learning_rate": 0.05}),
    Rung("AdamW's rate 0.003", training={"learning_rate": 0.003}),
    Rung("AdamW's rate 0.012", training={"learning_rate": 0.012}),
    Rung("Muon, 3 iterations", optimizer_trick=newton_schulz(*[muon.QUINTIC] * 3)),
    Rung("Muon, Polar Express, 5 iterations", optimizer_trick=newton_schulz(*POLAR_EXPRESS)),
    Rung("Muon, Polar Express, 3 iterations", optimizer_trick=newton_schulz(*POLAR_EXPRESS[:2], POLAR_EXPRESS[-1])),
    Rung("Muon's momentum 0.95", training={"momentum": 0.95}),
    Rung("Muon's momentum 0.85", training={"momentum": 0.85}),
    Rung("products in fp32", training={"precision": "fp32"}),
    Rung("no weight decay", training={"weight_decay": 0.0}),
    Rung("no clipping", training={"max_grad_norm": 0.0}),
    Rung("learned positions, no RoPE", model={**FREE, "position": "learned"}),
    Rung("no QK-norm (llama)", model={"preset": "llama"}),
    Rung("gpt2 layout", model={"preset": "gpt2", "activation": "gelu"}),
    Rung("ReGLU, no SwiGLU", model={**FREE, "activation": "reglu"}),
    Rung("ReLU², ungated", model={**FREE, "activation": "relu"}, trick=tricks.squared_relu, stock=False),
    Rung("projections start at zero", model={"initialization": "zero"}),
    Rung("untied head", model={"tie_embeddings": False}),
    Rung("value embeddings", trick=tricks.value_embeddings, stock=False),
    Rung("softcap 15", trick=tricks.softcap, stock=False),
    Rung("bigram embedding", trick=tricks.bigrams, stock=False),
    Rung("no length warm-up", training={"length_warmup_fraction": 0.0}),
    Rung("length warm-up in the first quarter", training={"length_warmup_fraction": 0.25}),
    Rung("length warm-up, short rows drawn alone", batches=tricks.short_rows_drawn_alone),
    Rung("batch warm-up", batches=tricks.few_first),
    Rung("trapezoid", training={"schedule": "trapezoid"}),
    Rung("cosine", training={"schedule": "cosine"}),
    Rung("no warm-up of the rate", training={"warmup_steps": 0}),
    Rung("batch 4", training={"batch_size": 4}),
    Rung("batch 16", training={"batch_size": 16}),
    Rung("context 64, batch 16", model={"max_seq_len": 64}, training={"batch_size": 16}),
    Rung("context 256, batch 4", model={"max_seq_len": 256}, training={"batch_size": 4}),
    Rung("2 layers", model={"num_layers": 2}),
    Rung("4 layers", model={"num_layers": 4}),
    Rung("2 layers, width 160", model={"num_layers": 2, "d_model": 160}),
    Rung("6 layers, width 96", model={"num_layers": 6, "d_model": 96}),
    Rung("1 head of 128", model={"num_heads": 1}),
    Rung("4 heads of 32", model={"num_heads": 4}),
    Rung("initial deviation 0.04", model={"init_std": 0.04}),
]  # fmt: skip


def one_run(name: str, path: Path, seed: int, steps: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    rung = next(rung for rung in (BASE, *RUNGS) if rung.name == name)
    return {"name": name, "seed": seed, "steps": steps, **train(BASE, rung, load_text(path), seed, steps)}


def threshold(runs: list[dict[str, Any]]) -> float:
    """What gain · √n must reach: see the top of this file. Infinite with one seed, which tells nothing."""
    groups = [[run["loss_64"] for run in runs if run["name"] == name] for name in {run["name"] for run in runs}]
    variances = [statistics.variance(group) for group in groups if len(group) > 1]
    return 2 * (2 * statistics.mean(variances)) ** 0.5 if variances else float("inf")


def table(costs: dict[str, float], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a rung, the best first."""
    needed = threshold(runs)
    losses = {name: [run["loss_64"] for run in runs if run["name"] == name] for name in ("base", *costs)}
    base = statistics.mean(losses["base"])
    rows = []
    for name, own in losses.items():
        gain = base - statistics.mean(own)
        mine = [run for run in runs if run["name"] == name]
        rows.append(
            {
                "name": name,
                "cost_a_step": round(costs.get(name, 1.0), 3),
                "steps": mine[0]["steps"],
                "loss_64": round(statistics.mean(own), 4),
                "loss_own_context": round(statistics.mean(run["loss"] for run in mine), 4),
                "spread": round(statistics.stdev(own), 4) if len(own) > 1 else None,
                "gain": round(gain, 4),
                "score": round(gain * len(own) ** 0.5, 4),
                "hurts": gain * len(own) ** 0.5 <= -needed,
                "helps": gain * len(own) ** 0.5 >= needed,
                "seeds": len(own),
                "stock": all(rung.stock for rung in RUNGS if rung.name == name),
            }
        )
    return sorted(rows, key=lambda row: -row["gain"])


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| change | cost of a step | steps | loss, windows of 64 | loss, own context | gain | gain·√n | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        verdict = "helps" if row["helps"] else "hurts" if row["hurts"] else "no difference"
        verdict = verdict if row["name"] != "base" else ""
        name = row["name"] if row["stock"] else f"{row['name']} (no stock class)"
        lines.append(
            f"| {name} | {row['cost_a_step']:.2f} | {row['steps']} | {row['loss_64']:.4f} | {row['loss_own_context']:.4f} | "
            f"{row['gain']:+.4f} | {row['score']:+.4f} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Which tricks help, one at a time, in the same time.")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument(
        "--steps", type=at_least_one, default=600, help="of the base; the others take as many as fit into its time"
    )
    parser.add_argument("--seeds", type=at_least_one, default=3)
    parser.add_argument("--processes", type=at_least_one, default=2)
    parser.add_argument("--only", default="", help="rungs whose names hold one of these words, by commas")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    words = [word for word in arguments.only.split(",") if word]
    rungs = [rung for rung in RUNGS if not words or any(word in rung.name for word in words)]
    if not rungs:
        parser.error(f"no rung's name holds one of {words}; there are: {', '.join(rung.name for rung in RUNGS)}")
    text = load_text(arguments.text)
    busy_before = wait_until_quiet()
    torch.set_num_threads(1)
    costs: dict[str, float] = {}
    for rung in track(rungs, "timing"):
        costs[rung.name] = cost_a_step(BASE, rung, text)
    jobs = [
        (name, seed, round(arguments.steps / cost))
        for seed in range(1, arguments.seeds + 1)
        for name, cost in {"base": 1.0, **costs}.items()
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        futures = [pool.submit(one_run, name, arguments.text, seed, steps) for name, seed, steps in jobs]
        runs = [future.result() for future in track(futures, "training")]
    rows = table(costs, runs)
    print(markdown(rows))
    if arguments.output:
        result = {
            "command": command_line("benchmarks.speedrun.ladder"),
            "machine": machine(busy_before),
            "threshold": threshold(runs) if arguments.seeds > 1 else None,
            "rows": rows,
            "runs": runs,
        }
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(markdown(rows))


if __name__ == "__main__":
    np.seterr(all="raise")
    main()

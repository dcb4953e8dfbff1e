"""How soon a good model: nanoGPT's own Shakespeare setting for a CPU, and ours, whole processes in turn, over several seeds.

    .venv/bin/python -m benchmarks.time_to_quality.run --nanogpt ../nanoGPT --text tinyshakespeare.txt [--seeds 3]

Time is the wall clock of the whole process, from its start until it has ended and its model is saved. The loss is the mean over
every one of the last 111,540 characters but the first, in non-overlapping windows of 64, and, of ours, of its own context,
too. Two of ours: `quick` stops as soon as nanoGPT's loss is reached, `full` takes about nanoGPT's time.
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

from benchmarks.command import command_line
from benchmarks.result import at_least_one, machine, nanogpt_checkout, output_file, text_file, wait_until_quiet
from benchmarks.speedrun.runner import load_text
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
NANOGPT = [
    "config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=100",
    "--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000",
    "--lr_decay_iters=2000", "--dropout=0.0",
]  # fmt: skip
# The shipped recipe but for this: no samples, as nanoGPT writes none. Quick is a smaller network, which learns faster at first,
# and measures only at its end.
QUICK = (
    "training.max_steps=340 model.num_layers=2 model.max_seq_len=64 training.batch_size=12 "
    "training.eval_steps=1000 training.save_steps=1000 training.sample_tokens=0 generation.max_new_tokens=1"
)
FULL = "training.max_steps=1700 training.sample_tokens=0 generation.max_new_tokens=1"
SEEDED = (
    "import sys, torch; plain = torch.manual_seed; torch.manual_seed = lambda seed: plain(seed + {seed}); "
    "sys.argv = ['train.py', *sys.argv[1:]]; exec(open('train.py').read())"
)


# It imports the package it would download with, which nothing else needs.
PREPARE = (
    "import runpy, sys, types; sys.modules['requests'] = types.ModuleType('requests'); runpy.run_path('prepare.py')"
)


def timed(command: list[str], folder: Path) -> tuple[float, int]:
    """Wall-clock seconds of a process, and its peak memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed: {errors.decode()[-2000:]}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def nanogpt(checkout: Path, seed: int, work: Path) -> dict[str, Any]:
    out = work / f"nanogpt-{seed}"
    command = [sys.executable, "-c", SEEDED.format(seed=seed - 1), *NANOGPT, f"--out_dir={out}"]
    seconds, peak = timed(command, checkout)
    measure = [sys.executable, str(HERE / "nanogpt_loss.py"), str(checkout), str(out)]
    said = subprocess.run(measure, capture_output=True, text=True, check=True).stdout  # nanoGPT prints, too
    loss = float(said.splitlines()[-1])
    return {"who": "nanoGPT", "seed": seed, "seconds": seconds, "peak_rss": peak, "loss_64": loss}


def groundup(name: str, text: Path, overrides: list[str], seed: int, work: Path) -> dict[str, Any]:
    out = work / f"{name}-{seed}"
    command = [sys.executable, "-m", "groundup", "train", "shakespeare", f"data.source={text}", "data.split=tail"]
    seconds, peak = timed([*command, f"training.seed={seed}", *overrides, "--run", str(out)], work)
    measure = [sys.executable, str(HERE / "groundup_loss.py"), str(out), str(text)]
    losses = json.loads(subprocess.run(measure, capture_output=True, text=True, check=True).stdout)
    return {"who": f"Groundup, {name}", "seed": seed, "seconds": seconds, "peak_rss": peak, **losses}


def summarize(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean losses over the seeds; times as shares of nanoGPT's in the same turn."""
    base = {run["seed"]: run["seconds"] for run in runs if run["who"] == "nanoGPT"}
    rows = []
    for who in dict.fromkeys(run["who"] for run in runs):
        mine = [run for run in runs if run["who"] == who]
        shares = [run["seconds"] / base[run["seed"]] for run in mine]
        own = [run["loss_own_context"] for run in mine if "loss_own_context" in run]
        rows.append(
            {
                "who": who,
                "share_of_nanogpts_time": round(statistics.median(shares), 3),
                "shares": [round(share, 3) for share in shares],
                "seconds": round(statistics.median(run["seconds"] for run in mine), 1),
                "loss_64": [round(run["loss_64"], 4) for run in mine],
                "mean_loss_64": round(statistics.mean(run["loss_64"] for run in mine), 4),
                "mean_loss_own_context": round(statistics.mean(own), 4) if own else None,
                "peak_rss_mb": round(max(run["peak_rss"] for run in mine) / 1e6),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time to a good model, beside nanoGPT.")
    parser.add_argument("--nanogpt", type=nanogpt_checkout, required=True, help="a checkout of nanoGPT")
    parser.add_argument("--text", type=text_file, required=True, help="tiny Shakespeare")
    parser.add_argument("--seeds", type=at_least_one, default=3)
    parser.add_argument("--quick", default=QUICK, help="settings of the quick run, by spaces")
    parser.add_argument("--full", default=FULL, help="settings of the full run, by spaces")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    checkout, text = arguments.nanogpt.resolve(), arguments.text.resolve()
    load_text(text)  # or it isn't tiny Shakespeare
    data = checkout / "data" / "shakespeare_char"
    shutil.copy(text, data / "input.txt")  # so that it downloads nothing
    busy_before = wait_until_quiet()
    subprocess.run([sys.executable, "-c", PREPARE], cwd=data, check=True, stdout=subprocess.DEVNULL)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for seed in range(1, arguments.seeds + 1):
            runs.append(groundup("quick", text, arguments.quick.split(), seed, work))
            runs.append(nanogpt(checkout, seed, work))
            runs.append(groundup("full", text, arguments.full.split(), seed, work))
            for run in runs[-3:]:
                print(json.dumps(run), flush=True)
    rows = summarize(runs)
    table = Table(
        "",
        "share of nanoGPT's time",
        "each turn",
        "seconds",
        "loss, windows of 64",
        "loss, own context",
        "peak RSS, MB",
    )
    for row in rows:
        figures = [
            row["share_of_nanogpts_time"],
            row["shares"],
            row["seconds"],
            row["mean_loss_64"],
            row["mean_loss_own_context"],
        ]
        table.add_row(row["who"], *map(str, figures), str(row["peak_rss_mb"]))
    Console().print(table)
    if arguments.output:
        command = command_line("benchmarks.time_to_quality.run")
        result = {"command": command, "machine": machine(busy_before), "rows": rows, "runs": runs}
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

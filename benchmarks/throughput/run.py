"""Training steps of several programs, in turn, each in a process of its own: who takes how long, and how much memory.

    .venv/bin/python -m benchmarks.throughput.run --nanogpt ../nanoGPT [--shape small|demo|large] [--busy 2]

nanoGPT is measured from a checkout of its repository. Each round asks every contender for the same number of steps, one
after the other, in an order that changes; a contender's figure is the median over the rounds of its speed divided by
nanoGPT's in the same round (without a checkout: by transformers'). `--busy N` keeps N other processes at work meanwhile, as on a
shared machine. Prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import replace

import torch
from benchmarks.contender import Contender, Program, measure, start_all
from benchmarks.result import at_least_one, compared, nanogpt_checkout, output_file, show, wait_until_quiet, write

from groundup.cores import available_cores
from groundup.device import has_bf16_units

SHAPES = {
    "small": {"num_layers": 4, "num_heads": 4, "d_model": 128, "context": 64, "batch_size": 12, "dropout": 0.0},
    "demo": {"num_layers": 4, "num_heads": 4, "d_model": 128, "context": 256, "batch_size": 4, "dropout": 0.0},
    "large": {"num_layers": 6, "num_heads": 6, "d_model": 384, "context": 256, "batch_size": 64, "dropout": 0.2},
}
BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"  # ends with us, however we end
NANOGPT, TRANSFORMERS = "nanoGPT", "transformers GPT-2, plain loop"
BASES = {NANOGPT: "times_nanogpt", TRANSFORMERS: "times_transformers"}


def ours(**variables: str) -> Program:
    return Program("benchmarks.throughput.groundup_loop", "", variables)


PROGRAMS = {
    NANOGPT: Program("benchmarks.throughput.nanogpt_loop"),
    TRANSFORMERS: Program("benchmarks.throughput.transformers_loop", "transformers"),
    "transformers GPT-2, Trainer": Program("benchmarks.throughput.trainer_loop", "transformers"),
    "litgpt Pythia, plain loop": Program("benchmarks.throughput.litgpt_loop", "litgpt"),
    "Groundup gpt2, AdamW": ours(LAYOUT="gpt2"),
    "Groundup gpt2, rows alone (no update)": ours(LAYOUT="gpt2", PART="rows"),
    "Groundup gpt2, AdamW, one thread": ours(LAYOUT="gpt2", THREADS="1"),
    "Groundup gpt2, AdamW, operations split": ours(LAYOUT="gpt2", SPLIT="operations"),
    "Groundup gpt2, AdamW, memory handed back": ours(LAYOUT="gpt2", MEMORY="system"),
    "Groundup gpt2, AdamW, bf16": ours(LAYOUT="gpt2", PRECISION="bf16"),
    "Groundup llama, AdamW": ours(LAYOUT="llama"),
    "Groundup qwen3, AdamW, operations split": ours(LAYOUT="qwen3", SPLIT="operations"),
    "Groundup qwen3, AdamW": ours(LAYOUT="qwen3"),
    "Groundup qwen3, Muon": ours(LAYOUT="qwen3", OPTIMIZER="muon"),
    "Groundup qwen3, Muon, bf16": ours(LAYOUT="qwen3", OPTIMIZER="muon", PRECISION="bf16"),
    "nanoGPT under bf16 autocast": Program("benchmarks.throughput.nanogpt_loop", "", {"PRECISION": "bf16"}),
    "transformers GPT-2, Trainer, bf16": Program(
        "benchmarks.throughput.trainer_loop", "transformers", {"PRECISION": "bf16"}
    ),
}


def summarize(contenders: list[Contender], base: str, tokens: int) -> list[dict[str, object]]:
    """A row each; ratios to the base's speed in the same round."""
    base_seconds = next(contender.seconds for contender in contenders if contender.name == base)
    rows: list[dict[str, object]] = []
    for contender in contenders:
        rows.append(
            {
                "name": contender.name,
                **compared(base_seconds, contender.seconds, BASES[base]),
                "tokens_per_second": round(tokens / statistics.median(contender.seconds)),
                "peak_rss_mb": round(contender.peak_rss / 1e6),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Training throughput, beside nanoGPT and others.")
    parser.add_argument("--nanogpt", type=nanogpt_checkout, help="a checkout of nanoGPT")
    parser.add_argument("--shape", choices=list(SHAPES), default="small")
    parser.add_argument("--busy", type=int, default=0, help="other processes at work meanwhile")
    parser.add_argument("--rounds", type=at_least_one, default=15)
    parser.add_argument("--steps", type=at_least_one, default=10)
    parser.add_argument("--only", default="", help="these contenders beside the base, by ; (names as in the table)")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    wanted = [name.strip() for name in arguments.only.split(";") if name.strip()] or list(PROGRAMS)
    if unknown := set(wanted) - set(PROGRAMS):
        parser.error(f"no contender is called {min(unknown)!r}; there are: {'; '.join(PROGRAMS)}")
    base = NANOGPT if arguments.nanogpt else TRANSFORMERS
    programs = {name: program for name, program in PROGRAMS.items() if name == base or name in wanted}
    left_out: dict[str, str] = {}
    for name, program in list(programs.items()):
        if program.variables.get("PRECISION") == "bf16" and not has_bf16_units(torch.device("cpu")):
            left_out[name] = "this processor has no units for bf16"
        elif program.module == PROGRAMS[NANOGPT].module and not arguments.nanogpt:
            left_out[name] = "no checkout was given (--nanogpt)"
        elif program.module == PROGRAMS[NANOGPT].module:
            checkout = {"NANOGPT": str(arguments.nanogpt.resolve())}
            programs[name] = replace(program, variables={**program.variables, **checkout})
    programs = {name: program for name, program in programs.items() if name not in left_out}
    shape = SHAPES[arguments.shape]
    busy_before = wait_until_quiet()
    contenders = start_all(programs, {**shape, "vocab_size": 65}, left_out)
    others = [subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())]) for _ in range(arguments.busy)]
    try:
        contenders = measure(contenders, arguments.rounds, arguments.steps, left_out)
    finally:
        for other in others:
            other.kill()
    if base not in [contender.name for contender in contenders]:
        sys.exit(f"{base}, whom the others are compared with, can't be measured: {left_out[base]}")
    rows = summarize(contenders, base, int(shape["batch_size"] * shape["context"]))
    cores = f"{available_cores()} cores, {arguments.busy} other processes at work, {busy_before} cores busy before"
    columns = {
        "name": "",
        BASES[base]: f"x {base}",
        "half_of_rounds": "half of the rounds",
        "tokens_per_second": "tokens/s",
        "peak_rss_mb": "peak RSS, MB",
    }
    show(f"{arguments.shape}; {cores}", columns, rows, left_out)
    facts = {
        "shape": shape,
        "rounds": arguments.rounds,
        "steps_a_round": arguments.steps,
        "base": base,
        "rows": rows,
        "left_out": left_out,
    }
    write(arguments.output, "benchmarks.throughput.run", busy_before, facts)


if __name__ == "__main__":
    main()

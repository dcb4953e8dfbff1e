"""What takes memory in training, and what each way to save some costs: steps of three networks, each way in a process of its own.

    .venv/bin/python -m benchmarks.memory.run [--sizes shakespeare,30M,124M] [--only "Muon;2 parts"] [--minutes 11] [--device cuda]

Beside a plain training each way takes the same number of steps, in turn, some rounds long; its time is the median of its seconds
divided by the plain one's in the same round. Memory is the most that the process held beyond what its imports did (RSS), on a card
the most that was allocated there. What there is no time for any more is left out. Prints a table for each size and writes JSON, then:
`python -m benchmarks.memory.page`.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import Any

import torch
from benchmarks.contender import Contender, Program, start
from benchmarks.environment import Unavailable
from benchmarks.memory.ways import PLAIN, SIZES, WAYS, Size, Way
from benchmarks.result import output_file, ratios, show, wait_until_quiet, write

from groundup.device import describe_machine, has_bf16_units, pick_device
from groundup.model.counts import parameter_counts
from groundup.model.settings import preset_config
from groundup.training.recorded_step import ORDINARY

STEPS = Program("benchmarks.memory.steps")
COLUMNS = {
    "name": "",
    "peak_mb": "peak, MB",
    "of_plain": "x plain",
    "times_as_long": "x as long",
    "half_of_rounds": "half of the rounds",
}
FORMATS, SLOW = ("bf16", "fp16"), "shakespeare"


def left_out_of(name: str, size: str, device: torch.device) -> str:
    """Why a way isn't measured here; empty if it is."""
    if name == "compiled" and device.type != "cuda":
        return "compiling takes longer than all these steps"
    if name == "fp16" and device.type != "cuda":
        return "a card's format"
    if name in FORMATS and size != SLOW and not has_bf16_units(device):
        return "this processor has no units for it"
    return ""


def begin(name: str, size: Size, way: Way, device: torch.device) -> Contender:
    """Its process, warm: on a card its step is recorded, too."""
    task = {**asdict(size), **asdict(way), "batch_size": size.batch_size * way.rows, "device": device.type}
    contender = start(name, STEPS, task)
    contender.take(ORDINARY + 2 if device.type == "cuda" else 1)
    return contender


def beside(plain: Contender, own: Contender, rounds: int, steps: int) -> dict[str, Any]:
    """A row: both asked in turn, the first of them the other in every second round."""
    taken: dict[str, list[float]] = {plain.name: [], own.name: []}
    for number in range(rounds):
        for one in (plain, own) if number % 2 else (own, plain):
            taken[one.name].append(one.take(steps) / steps)
    own.end()
    longer, spread = ratios(taken[own.name], taken[plain.name])  # how many times as fast the plain one is
    return {
        "name": own.name,
        "peak_mb": round(own.peak_rss / 1e6, 1),
        "times_as_long": longer,
        "half_of_rounds": spread,
        "seconds_in_rounds": [round(value, 6) for value in taken[own.name]],
        "plain_seconds_in_rounds": [round(value, 6) for value in taken[plain.name]],
    }


def measure(name: str, wanted: list[str], device: torch.device, end: float) -> dict[str, Any]:
    """One size's table; no way is begun after `end`."""
    size, rows, left_out = SIZES[name], [], {}
    begun, plain = time.perf_counter(), begin(PLAIN, size, Way(), device)
    for each in wanted:
        if why := left_out_of(each, name, device) or ("no time was left" if time.monotonic() > end else ""):
            left_out[each] = why
            continue
        try:
            rows.append(beside(plain, begin(each, size, WAYS[each], device), size.rounds, size.steps))
        except Unavailable as error:
            left_out[each] = str(error)
    plain.end()
    rows.insert(0, {"name": PLAIN, "peak_mb": round(plain.peak_rss / 1e6, 1), "times_as_long": 1.0})
    for row in rows:
        row["of_plain"] = round(row["peak_mb"] / rows[0]["peak_mb"], 3)
    parameters = parameter_counts(preset_config(size.preset, dropout=0.0, **size.shape))["total"]  # type: ignore[arg-type]
    title = f"{name}: {parameters:,} parameters, {size.batch_size} rows of {size.shape['max_seq_len']} tokens"
    show(title, COLUMNS, rows, left_out)
    print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    return {"name": name, "parameters": parameters, **asdict(size), "rows": rows, "left_out": left_out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--only", default="", help="these ways beside the plain one, by ; (names as in the table)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing new after so many")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    sizes, wanted = arguments.sizes.split(","), [one.strip() for one in arguments.only.split(";") if one.strip()]
    for kind, asked, known in (("size", sizes, SIZES), ("way", wanted, WAYS)):
        if unknown := set(asked) - set(known):
            parser.error(f"no {kind} is called {min(unknown)!r}; there are: {'; '.join(known)}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this machine has no CUDA device")
    device = pick_device(arguments.device)
    busy_before, tables = wait_until_quiet(seconds=10), []
    end = time.monotonic() + 60 * arguments.minutes
    for name in sizes:
        tables.append(measure(name, wanted or list(WAYS), device, end))
        facts = {
            "device": arguments.device,
            "machine": {**describe_machine(device), "busy_cores_before": busy_before},
            "tables": tables,
        }
        write(arguments.output, "benchmarks.memory.run", busy_before, facts)  # what there is by now


if __name__ == "__main__":
    main()

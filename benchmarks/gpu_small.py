"""Steps of small networks on a CUDA card, recorded and played again as `groundup train` does, and asked for one operation at a time.

    python -m benchmarks.gpu_small --output benchmarks/results/gpu-small.json

The shapes are those of docs/gpu.md: the shipped Shakespeare recipe's, and a larger one. Both ways take turns in one process.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.bare_task import bare_task
from benchmarks.gpu import Contender, contender, measure
from benchmarks.result import at_least_one, compared, output_file, show, write
from groundup.device import describe_machine
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

SHAPES = {
    "3 layers of 128, 8 rows of 128": ({"num_layers": 3, "num_heads": 2, "d_model": 128, "max_seq_len": 128}, 8),
    "6 layers of 384, 64 rows of 256": ({"num_layers": 6, "num_heads": 6, "d_model": 384, "max_seq_len": 256}, 64),
}
VOCABULARY = 65  # characters of the plays


def steps_of(shape: dict[str, Any], rows: int, recorded: bool) -> Iterator[torch.Tensor]:
    """The losses of our steps, eager."""
    settings = TrainingSettings(batch_size=rows, precision="bf16", max_steps=10_000_000)
    torch.manual_seed(1)
    model = Transformer(preset_config("qwen3", vocab_size=VOCABULARY, **shape)).to("cuda")
    data = np.random.default_rng(0).integers(0, VOCABULARY, 1_000_000).astype(np.uint16)
    plan = make_plan(len(data), shape["max_seq_len"])
    task = bare_task(model, settings, partial(training_batch, data, plan, 1, batch_size=rows))
    machinery = prepare_machinery(task)
    if not recorded:
        machinery.recorder = None
    with machinery.shards:
        for step in range(settings.max_steps):
            yield take_step(task, machinery, step, 1.0).loss


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps of small networks on a CUDA card, recorded and not.")
    parser.add_argument("--rounds", type=at_least_one, default=8)
    parser.add_argument("--steps", type=at_least_one, default=100)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this machine has no CUDA device")
    table = []
    for name, (shape, rows) in SHAPES.items():
        both: list[Contender] = [
            contender(f"{name}: {how}", steps_of(shape, rows, recorded), warm_up=10)
            for how, recorded in (("one by one", False), ("recorded", True))
        ]
        measure(both, arguments.rounds, arguments.steps)
        for one in both:
            figures = compared(both[0].seconds, one.seconds, "times_one_by_one")
            rate = round(1 / statistics.median(one.seconds))
            table.append({"name": one.name, **figures, "steps_per_second": rate})
    show(
        "Small networks, bf16, Muon",
        {
            "name": "",
            "steps_per_second": "steps/s",
            "times_one_by_one": "times one by one",
            "half_of_rounds": "half of the rounds",
        },
        table,
        {},
    )
    facts = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": table}
    write(arguments.output, "benchmarks.gpu_small", None, {**facts, "machine": describe_machine(torch.device("cuda"))})


if __name__ == "__main__":
    main()

"""Does a residual stream in bf16 learn as one in fp32? GPT-2's shape on a CUDA card, byte by byte, from the same seeds.

    python -m benchmarks.gpu_stream --text FILE --output build/gpu-stream.json

FILE is any large text (tens of MB); its last 2 MB are held out, and read in fp32. `--preset qwen3` takes Muon and root-mean-square norms.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.bare_task import bare_task
from benchmarks.gpu import CONTEXT, SHAPES, network_of
from benchmarks.result import at_least_one, output_file, write
from groundup.model import transformer
from groundup.model.transformer import Transformer
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.schedules import learning_rate_factor
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

HELD_OUT = 2_000_000  # bytes
READ = 512  # windows of them
ROWS = 12
NETWORKS: dict[str, dict[str, Any]] = {
    "classic": {"norm_position": "pre", "tie_embeddings": True, "bias": "none"},
    "qwen3": {"activation": "swiglu"},
}
RATES: dict[str, dict[str, Any]] = {
    "classic": {"optimizer": "adamw", "learning_rate": 6e-4},
    "qwen3": {"optimizer": "muon", "learning_rate": 3e-3, "matrix_learning_rate": 0.02},
}
IN_BF16 = transformer.residual_stream


def as_it_came(x: torch.Tensor) -> torch.Tensor:
    """The stream in fp32."""
    return x


def trained(preset: str, seed: int, narrow: bool, steps: int, text: np.ndarray) -> float:
    """The held-out loss in nats a byte after so many steps."""
    transformer.residual_stream = IN_BF16 if narrow else as_it_came
    torch._dynamo.reset()
    torch.manual_seed(seed)
    model = Transformer(network_of(preset, SHAPES["124M"], vocab_size=256, **NETWORKS[preset])).to("cuda")  # type: ignore[arg-type]
    settings = TrainingSettings(
        batch_size=ROWS, precision="bf16", compile=True, max_steps=steps, warmup_steps=40, seed=seed, **RATES[preset]
    )
    read = text[:-HELD_OUT]
    batch = partial(training_batch, read, make_plan(len(read), CONTEXT), seed, batch_size=ROWS)
    task = bare_task(model, settings, batch)
    machinery = prepare_machinery(task)
    with machinery.shards:
        for step in range(steps):
            take_step(task, machinery, step, learning_rate_factor(step, settings))
    model.eval()
    rows = torch.from_numpy(text[-HELD_OUT:][: (CONTEXT + 1) * READ].reshape(READ, CONTEXT + 1).astype(np.int64))
    with torch.no_grad():
        losses = [
            float(F.cross_entropy(model(some[:, :-1]).flatten(0, 1), some[:, 1:].flatten()))
            for some in torch.split(rows.to("cuda"), 16)
        ]
    return float(np.mean(losses))


def main() -> None:
    parser = argparse.ArgumentParser(description="A residual stream in bf16 beside one in fp32, on a CUDA card.")
    parser.add_argument("--text", type=Path, required=True, help="a large text")
    parser.add_argument("--preset", choices=list(NETWORKS), default="classic")
    parser.add_argument("--seeds", type=at_least_one, default=2)
    parser.add_argument("--steps", type=at_least_one, default=500)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this machine has no CUDA device")
    text = np.fromfile(arguments.text, np.uint8).astype(np.uint16)
    rows = []
    for seed in range(1, arguments.seeds + 1):
        for narrow in (False, True):
            loss = trained(arguments.preset, seed, narrow, arguments.steps, text)
            rows.append({"seed": seed, "stream": "bf16" if narrow else "fp32", "held_out_loss": round(loss, 4)})
            print(*rows[-1].values())
    write(arguments.output, "benchmarks.gpu_stream", None, {"card": torch.cuda.get_device_name(), "rows": rows})


if __name__ == "__main__":
    main()

"""Training steps on a CUDA card: ours as `groundup train` takes them beside nanoGPT's way, each eager and compiled.

    python -m benchmarks.gpu --output benchmarks/results/gpu.json
    python -m benchmarks.gpu --variants --cases 124M:12 --output build/gpu-variants.json

All are in one process, and take their turns: so many steps of each, then of the next, for some rounds. nanoGPT's way is written anew in
`plain_gpt.py`: GPT-2's network without biases, bf16 under autocast, fused AdamW, the gradient clipped, batches from pinned memory. Of the
first case both are measured with GPT-2's biases, too, where the networks are the same to the letter.
With `--variants`, beside the compiled ones, ours with one thing changed in each (`gpu_variants.py`), and none that isn't compiled.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.bare_task import bare_task
from benchmarks.gpu_variants import VARIANTS, Variant
from benchmarks.plain_gpt import PlainGPT, plain_steps
from benchmarks.result import at_least_one, compared, output_file, show, write
from groundup.device import describe_machine, matmul_flops_per_second
from groundup.model.counts import parameter_counts, training_flops
from groundup.model.settings import Preset, TransformerConfig, preset_config
from groundup.model.transformer import Transformer
from groundup.recipe.accelerators import ACCELERATORS
from groundup.tokens.plan import make_plan, training_batch
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

SHAPES = {
    "124M": {"num_layers": 12, "num_heads": 12, "d_model": 768},
    "350M": {"num_layers": 24, "num_heads": 16, "d_model": 1024},
}
CONTEXT = 1024
VOCABULARY = 50304  # nanoGPT's: GPT-2's 50,257, rounded up to a multiple of 64
LOGGED = 10  # steps between two looks at the loss, in all of them
SHEETS = {
    "NVIDIA H100 80GB HBM3": ACCELERATORS["h100"].flops,
    "NVIDIA H200": ACCELERATORS["h200"].flops,
    "NVIDIA A100-SXM4-40GB": ACCELERATORS["a100-40gb"].flops,
    "NVIDIA A100-SXM4-80GB": ACCELERATORS["a100-80gb"].flops,
}
"""Dense bf16 operations a second that a card's datasheet promises, by what the driver calls it: the same chip on a PCIe card is slower."""
CUDA = torch.device("cuda")
PLAIN = "nanoGPT's way"
BIASED = "with GPT-2's biases, compiled"
Step = Callable[[], torch.Tensor]


@dataclass
class Contender:
    """Somebody's steps."""

    name: str
    step: Step
    peak_bytes: int
    """The most memory of the card that it held while it ran alone, of what was not there before."""
    seconds: list[float] = field(default_factory=list)
    """Of a step, in each round."""
    loss: float = 0.0


def tokens() -> np.ndarray:
    """Random ones: what is computed is the same as of a text, and the loss that there is to reach is known, ln V."""
    return np.random.default_rng(0).integers(0, VOCABULARY, 4_000_000).astype(np.uint16)


def our_steps(
    config: TransformerConfig, data: np.ndarray, rows: int, variant: Variant | None = None, **settings: Any
) -> Iterator[torch.Tensor]:
    """Our own loop's steps: batch, loss, gradient, clipping, guard, update."""
    training = TrainingSettings(
        batch_size=rows,
        optimizer="adamw",
        learning_rate=6e-4,
        precision="bf16",
        max_steps=1_000_000,
        **settings,
        **(variant.settings if variant else {}),
    )
    torch.manual_seed(1)
    model = Transformer(config).to(CUDA)
    batch = partial(training_batch, data, make_plan(len(data), CONTEXT), 1, batch_size=rows)
    task = bare_task(model, training, batch)
    if variant is not None:
        task = variant.of_task(task)
    with variant.preparing() if variant else nullcontext():
        machinery = prepare_machinery(task)
    if variant is not None:
        variant.of_machinery(machinery)
    with machinery.shards:
        for step in range(training.max_steps):
            taken = take_step(task, machinery, step, 1.0)
            if step % LOGGED == 0:
                taken.loss.item()
            yield taken.loss


def plain(
    shape: dict[str, int], data: np.ndarray, rows: int, compiled: bool, bias: bool = False
) -> Iterator[torch.Tensor]:
    """The steps of nanoGPT's way."""
    torch.manual_seed(1)
    return plain_steps(PlainGPT(VOCABULARY, CONTEXT, **shape, bias=bias).to(CUDA), data, rows, compiled, LOGGED)


def network_of(preset: Preset, shape: dict[str, int], **fields: Any) -> TransformerConfig:
    """A network of a shape; of `classic` without biases and with the norm before, nanoGPT's (but for the norms' own biases)."""
    common = {"vocab_size": VOCABULARY, "max_seq_len": CONTEXT, "dropout": 0.0, "activation": "gelu"}
    return preset_config(preset, **{**common, **shape, **fields})


def contender(name: str, steps: Iterator[torch.Tensor], warm_up: int) -> Contender:
    """Start it, let it compile, and see how much memory it takes."""
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    for _ in range(warm_up):
        next(steps)
    torch.cuda.synchronize()
    print(f"{name}: {warm_up} steps to warm up took {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return Contender(name, partial(next, steps), torch.cuda.max_memory_allocated() - before)


def measure(contenders: list[Contender], rounds: int, steps: int) -> None:
    """The steps of each in turn, in an order that changes from round to round."""
    for number in range(rounds):
        shift = number % len(contenders)
        for one in contenders[shift:] + contenders[:shift]:
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(steps):
                loss = one.step()
            torch.cuda.synchronize()
            one.seconds.append((time.perf_counter() - start) / steps)
            one.loss = float(loss)


def measure_shape(
    name: str, rows: int, biased: bool, variants: bool, rounds: int, steps: int, warm_up: int, peak: float
) -> dict[str, Any]:
    """The table of one shape; `biased`: with GPT-2's own network, too; `variants`: with those of ours."""
    shape, data = SHAPES[name], tokens()
    same = network_of("classic", shape, norm_position="pre", tie_embeddings=True, bias="none")
    contenders = []
    for compiled in (True,) if variants else (False, True):
        how = "compiled" if compiled else "eager"
        contenders.append(contender(f"{PLAIN}, {how}", plain(shape, data, rows, compiled), warm_up))
        contenders.append(contender(f"Groundup, {how}", our_steps(same, data, rows, compile=compiled), warm_up))
    if biased:
        contenders.append(contender(f"{PLAIN}, {BIASED}", plain(shape, data, rows, compiled=True, bias=True), warm_up))
        ours = our_steps(network_of("gpt2", shape), data, rows, compile=True)
        contenders.append(contender(f"Groundup, {BIASED}", ours, warm_up))
    for called, variant in VARIANTS.items() if variants else ():
        ours = our_steps(same, data, rows, variant, compile=True)
        contenders.append(contender(f"Groundup, compiled: {called}", ours, warm_up))
    config = same
    measure(contenders, rounds, steps)
    num_tokens = rows * CONTEXT
    flops = training_flops(config, num_tokens, CONTEXT)
    bases = {one.name: one.seconds for one in contenders if one.name.startswith(PLAIN)}
    sheet = sheet_flops()
    table = []
    for one in contenders:
        seconds = statistics.median(one.seconds)
        table.append(
            {
                "name": one.name,
                **compared(
                    bases[f"{PLAIN}, {BIASED if BIASED in one.name else 'compiled'}"],
                    one.seconds,
                    "times_compiled_nanogpt",
                ),
                "tokens_per_second": round(num_tokens / seconds),
                "mfu_of_datasheet": None if sheet is None else round(flops / seconds / sheet, 4),
                "mfu_of_measured_peak": round(flops / seconds / peak, 4),
                "peak_memory_mb": round(one.peak_bytes / 1e6),
                "last_loss": round(one.loss, 4),
            }
        )
    columns = {
        "name": "",
        "times_compiled_nanogpt": "x nanoGPT, compiled",
        "half_of_rounds": "half of the rounds",
        "tokens_per_second": "tokens/s",
        "mfu_of_datasheet": "MFU, datasheet",
        "mfu_of_measured_peak": "MFU, measured peak",
        "peak_memory_mb": "peak memory, MB",
        "last_loss": "loss",
    }
    show(f"{name}, {rows} rows of {CONTEXT} tokens, bf16", columns, table, {})
    parameters = parameter_counts(config)["total"]
    return {
        "shape": {**shape, "parameters": parameters, "vocab_size": VOCABULARY, "context": CONTEXT},
        "batch_size": rows,
        "rows": table,
    }


def sheet_flops() -> float | None:
    """What the datasheet promises of this card; None of one that isn't in `SHEETS`."""
    return SHEETS.get(torch.cuda.get_device_name())


def cases(text: str) -> list[tuple[str, int]]:
    """`124M:12,350M:8`: names of shapes, and rows a step."""
    found = [(name, at_least_one(rows)) for name, _, rows in (each.partition(":") for each in text.split(","))]
    for name, _ in found:
        if name not in SHAPES:
            raise argparse.ArgumentTypeError(f"no shape is called {name!r}; there are: {', '.join(SHAPES)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Training throughput on a CUDA card, beside nanoGPT's way.")
    parser.add_argument("--cases", type=cases, default=cases("124M:12,124M:32,350M:12"), help="shapes and rows a step")
    parser.add_argument("--rounds", type=at_least_one, default=8)
    parser.add_argument("--steps", type=at_least_one, default=LOGGED)
    parser.add_argument("--warm-up", type=at_least_one, default=12)
    parser.add_argument("--variants", action="store_true", help="ours with one thing changed in each, compiled")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this machine has no CUDA device")
    peak = matmul_flops_per_second(CUDA, torch.bfloat16, seconds=0.5)
    tables = []
    for place, (name, rows) in enumerate(arguments.cases):
        rounds, steps, warm_up = arguments.rounds, arguments.steps, arguments.warm_up
        biased, variants = place == 0 and not arguments.variants, arguments.variants
        tables.append(measure_shape(name, rows, biased, variants, rounds, steps, warm_up, peak))
        torch._dynamo.reset()
        keep(arguments, peak, tables)  # what there is by now, for who has no time for all


def keep(arguments: argparse.Namespace, peak: float, tables: list[dict[str, Any]]) -> None:
    """Write the result so far."""
    facts = {
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "precision": "bf16",
        "measured_matmul_flops_per_second": round(peak),
        "datasheet_flops_per_second": sheet_flops(),
        "rounds": arguments.rounds,
        "steps_a_round": arguments.steps,
        "tables": tables,
    }
    write(arguments.output, "benchmarks.gpu", None, {**facts, "machine": describe_machine(CUDA)})


if __name__ == "__main__":
    main()

"""How many times as long a private step takes as a plain one: the same rows, network and optimizer, step against step in one process.

    .venv/bin/python -m benchmarks.private_training.step_time [--pairs 15] [--only shakespeare,lora]

`shakespeare`: the shipped recipe's network and optimizer, all weights, 64 rows of 128 tokens. `lora`: adapters of rank 16 on attention in
the shape of SmolLM2-135M, 8 rows of 128 tokens. Every step reads the same number of rows, so that only the gradient differs. Told
is the median of the pairs' ratios, with the quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from benchmarks.bare_task import bare_task
from numpy.typing import NDArray

from groundup.device import set_threads
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import TransformerConfig, preset_config
from groundup.model.transformer import Transformer
from groundup.recipe.settings import load_recipe
from groundup.training.objectives.language_model import count_targets, marked_loss_sum
from groundup.training.privacy.plan import PrivacyPlan
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

LENGTH = 128


def shakespeare() -> tuple[TransformerConfig, TrainingSettings]:
    """The shipped recipe's network, with the vocabulary of its text, and its optimizer."""
    recipe = load_recipe("shakespeare")
    training = replace(recipe.training, batch_size=64, length_warmup_fraction=0.0)
    return replace(recipe.model.network(), vocab_size=65), training


def lora() -> tuple[TransformerConfig, TrainingSettings]:
    """SmolLM2-135M's shape, to be adapted."""
    shape = {"vocab_size": 49152, "d_model": 576, "num_layers": 30, "num_heads": 9, "num_kv_heads": 3, "d_ff": 1536}
    training = TrainingSettings(batch_size=8, optimizer="adamw", learning_rate=2e-4, lora=LoraSettings(dropout=0.0))
    return preset_config("llama", max_seq_len=LENGTH, initialization="scaled", **shape), training


CASES = {"shakespeare": shakespeare, "lora": lora}


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", default=",".join(CASES))
    asked = parser.parse_args()
    for name in asked.only.split(","):
        config, training = CASES[name]()
        with ExitStack() as threads:
            plain, private = (one_step(config, training, name == "lora", way, threads) for way in (False, True))
            pairs = [(timed(plain), timed(private)) for _ in range(asked.pairs + 2)][2:]  # the first ones warm up
        ratios = sorted(after / before for before, after in pairs)
        low, middle, high = statistics.quantiles(ratios, n=4)
        seconds = " and ".join(f"{statistics.median(times) * 1000:,.0f} ms" for times in zip(*pairs, strict=True))
        print(f"{name}: a private step takes {middle:.2f} times as long ({low:.2f} to {high:.2f}); medians {seconds}")


def timed(step: Callable[[], None]) -> float:
    """Seconds."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def one_step(
    config: TransformerConfig, settings: TrainingSettings, adapted: bool, private: bool, threads: ExitStack
) -> Callable[[], None]:
    """What takes a step of a training of its own, whose threads end with `threads`."""
    torch.manual_seed(0)
    model = Transformer(config)
    if adapted:
        add_lora(model, settings.lora, seed=0)
    rows = np.random.default_rng(0).integers(0, config.vocab_size, (settings.batch_size, LENGTH + 1))

    def batch(step: int) -> NDArray[np.int64]:
        return rows

    plan = PrivacyPlan(
        num_documents=10_000,
        expected_rows=settings.batch_size,
        noise_multiplier=1.0,
        clip_norm=1.0,
        delta=1e-5,
        epsilon=8.0,
        accountant="prv",
    )
    task = replace(
        bare_task(model, settings, batch),
        loss_sum=partial(marked_loss_sum, all_logits=private and not adapted),
        count_targets=count_targets,
        privacy=plan if private else None,
    )
    machinery = prepare_machinery(task)
    threads.enter_context(machinery.shards)

    def step() -> None:
        float(take_step(task, machinery, 0, 1.0).loss)

    return step


if __name__ == "__main__":
    set_threads(0)
    main()

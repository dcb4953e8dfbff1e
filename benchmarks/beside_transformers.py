"""Groundup beside transformers on the same weights, in turn, in one process: a training step, and a generated token.

    make bench

Prints the median time of each and the median of the pairwise ratios. Absolute times say little on a shared machine; ratios
in one run do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from groundup.generation.engine import Generation
from groundup.generation.settings import GenerationSettings
from groundup.model.directory import save_model
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

# nanoGPT's CPU Shakespeare shape: 4 layers, 4 heads, width 128, context 64, batch 12, 65 characters.
SHAPE: dict[str, Any] = {"vocab_size": 65, "d_model": 128, "num_layers": 4, "num_heads": 4, "max_seq_len": 64}
BATCH_SIZE = 12
NEW_TOKENS = 48


def pair(preset: Preset, folder: Path) -> tuple[Transformer, Any]:
    """Our model and transformers' of the same directory."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    ours = Transformer(preset_config(preset, **SHAPE, initialization="normal"))
    save_model(ours, folder)
    return ours, AutoModelForCausalLM.from_pretrained(folder)


def their_logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(ids).logits
    return logits


def training_step(model: torch.nn.Module, logits: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
    """One step of the same plain loop around either network: fused AdamW, clipping."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, SHAPE["vocab_size"], (BATCH_SIZE, SHAPE["max_seq_len"] + 1))
    model.train()

    def step() -> None:
        optimizer.zero_grad()
        scores = logits(ids[:, :-1])
        F.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def generation(ours: Transformer, theirs: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    """The same greedy tokens by our engine and by transformers' `generate`."""
    prompt = list(range(1, 9))
    settings = GenerationSettings(max_new_tokens=NEW_TOKENS, temperature=0.0)

    def by_engine() -> None:
        for _ in Generation(ours, [prompt], settings):
            pass

    def by_transformers() -> None:
        theirs.eval()
        theirs.generate(torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0)

    return by_engine, by_transformers


def compare(ours: Callable[[], None], theirs: Callable[[], None], rounds: int) -> tuple[float, float, float]:
    """Median seconds of each, and the median of theirs / ours, run in turn."""
    times: list[tuple[float, float]] = []
    for count in range(rounds + 2):
        pair_of_times = []
        for run in (ours, theirs):
            start = time.perf_counter()
            run()
            pair_of_times.append(time.perf_counter() - start)
        if count >= 2:  # the first two warm up
            times.append((pair_of_times[0], pair_of_times[1]))
    return (
        statistics.median(mine for mine, _ in times),
        statistics.median(other for _, other in times),
        statistics.median(other / mine for mine, other in times),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Groundup beside transformers, in turn.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = Table(
        "what", "layout", "groundup ms", "transformers ms", "times as fast", title=f"{arguments.threads} threads"
    )
    presets: tuple[Preset, ...] = ("gpt2", "llama", "qwen3")
    for preset in presets:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = pair(preset, Path(folder))
        steps = (training_step(ours, ours), training_step(theirs, partial(their_logits, theirs)))
        rows = {
            "training step": (*steps, arguments.rounds),
            "48 tokens": (*generation(ours, theirs), arguments.rounds // 4),
        }
        for what, (mine, other, rounds) in rows.items():
            a, b, ratio = compare(mine, other, max(3, rounds))
            table.add_row(what, preset, f"{a * 1e3:.1f}", f"{b * 1e3:.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

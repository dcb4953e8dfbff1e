"""What a recipe asks of the memory of one process, here or elsewhere."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from groundup.device import autocast_dtype, held_bytes, pick_device, set_threads
from groundup.model.counts import parameter_counts
from groundup.model.lora import adapter_parameters
from groundup.model.settings import TransformerConfig
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import Sizes, evaluated_tokens
from groundup.training.activation_memory import FULL
from groundup.training.memory_kinds import Load, Memory
from groundup.training.memory_parts import Rank
from groundup.training.parallel_settings import Strategy
from groundup.training.ranks import ALONE, Ranks
from groundup.training.schedules import with_steps
from groundup.training.settings import TrainingSettings
from groundup.training.shards import num_shards
from groundup.training.step import LARGE_NETWORK

RUNTIME = 900_000_000
"""Bytes of a GPU that its driver's context and its libraries take: some 0.5 GB of CUDA's, and as much of NCCL's and cuBLAS's rooms."""
LOADED = 30_000_000
"""Bytes of main memory that a training's libraries take beyond those that are there when it begins: some 25 MB of PyTorch's code that is
read from its file when it is first run, as Linux counts it (RssFile), and what is loaded late (safetensors, jinja2, tokenizers)."""


def adapters_of(settings: Recipe, config: TransformerConfig) -> int | None:
    """How many parameters are trained beside frozen ones; None if all are."""
    return adapter_parameters(config, settings.training.lora) if settings.training.method == "lora" else None


def load_of(settings: Recipe, sizes: Sizes, config: TransformerConfig) -> Load:
    """What the recipe asks of the memory. Rows are as long as the longest, which batches come to."""
    training = with_steps(settings.training, sizes.rows)
    if training.objective == "preference":
        training = replace(training, batch_size=2 * training.batch_size)
    return Load(
        config,
        training,
        adapters_of(settings, config),
        row_length=sizes.longest_row,
        learned_share=sizes.learned_share,
        evaluation_rows=settings.evaluation.batch_size,
        evaluation_tokens=evaluated_tokens(settings, sizes.held_out),
        held_out=sizes.held_out,
        sample_tokens=training.sample_tokens,
        rows_are_text_alone=settings.data.rows_are_text_alone,
    )


def rank_here(
    training: TrainingSettings,
    config: TransformerConfig,
    opened: int = 0,
    strategy: Strategy = "single",
    ranks: Ranks = ALONE,
) -> Rank:
    """This process of this machine, which may be one of several that train together. `opened`: bytes of the network that it has opened
    already."""
    device = pick_device(training.device)
    threads = set_threads(ranks.threads(training.num_threads))
    narrow = autocast_dtype(training.precision, device)
    size, libraries = narrow.itemsize if narrow else FULL, max(0, held_bytes() - opened) + LOADED
    if device.type == "cuda":
        return Rank("cuda", size, strategy=strategy, world_size=ranks.size, libraries=RUNTIME)
    if device.type == "mps":  # whose memory is the machine's; what Metal takes of it is not known
        return Rank("mps", size, libraries=libraries)
    return Rank(
        "cpu",
        size,
        num_shards=num_shards(training, device, threads, ranks.size),
        num_readers=threads,
        strategy=strategy,
        world_size=ranks.size,
        keeps_freed=parameter_counts(config)["total"] <= LARGE_NETWORK,
        libraries=libraries,
    )


def described(memory: Memory) -> dict[str, Any]:
    """As JSON values."""
    return {**asdict(memory), "total": memory.total}

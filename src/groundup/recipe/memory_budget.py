"""Into how many parts each batch goes, so that training fits into a memory that was given: `training.memory_budget`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from groundup.config import build, read_bytes, read_toml
from groundup.device import autocast_dtype, has_bf16_units, held_bytes
from groundup.errors import SettingError
from groundup.model.lora import adapter_parameters, parameter_split
from groundup.recipe.data import Prepared
from groundup.recipe.expected_memory import LOADED, load_of
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import known_sizes
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.memory import Memory, Rank, training_memory
from groundup.training.ranks import ALONE, Ranks
from groundup.training.settings import TrainingSettings, parts_of_batch
from groundup.training.shards import num_shards
from groundup.training.step import LARGE_NETWORK

RESERVE = 0.15
"""The share of a budget that is left for what the estimate misses."""
WORTH_SAYING = 0.97
"""What else would help is named where it takes no more than this share of the memory."""


def parts_within_budget(
    settings: Recipe,
    directory: RunDirectory,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    num_threads: int,
    say: Callable[[str], None],
    ranks: Ranks = ALONE,
) -> int:
    """The fewest `accumulation_steps`, no fewer than the recipe asks for, with which training fits into its memory budget.

    Without a budget those that it asks for. The budget is each process's, if several train together. By estimate
    (training/memory.py), and with a share of the budget to spare. A run that has begun keeps what it chose. `say` is told what is
    chosen. Raises `SettingError` if one row at a time takes more than the budget, with what would take less.
    """
    training = settings.training
    if not training.memory_budget:
        return training.accumulation_steps
    if directory.started:
        return build(Recipe, read_toml(directory.path / RECIPE_FILE)).training.accumulation_steps
    budget = read_bytes("training.memory_budget", training.memory_budget)
    estimate = _Estimate(settings, data, files, device, num_threads, ranks)
    found: list[tuple[int, Memory]] = []
    for parts in parts_of_batch(training):
        found.append((parts, estimate(replace(training, accumulation_steps=parts))))
        if needed(found[-1][1].total) <= budget:
            break
    else:
        raise SettingError(
            "training.memory_budget", training.memory_budget, _too_little(estimate, settings, files, found)
        )
    (asked, most), (parts, memory) = found[0], found[-1]
    rows = training.batch_size // parts
    how = (
        f"all {rows} rows of a batch are read at once"
        if parts == 1
        else f"each batch is read in {parts} parts of {rows} row{'s' * (rows > 1)}"
    )
    instead = f", and in {asked} about {in_gb(most.total)}" if parts > asked else ""
    say(
        f"training.memory_budget = {training.memory_budget!r}: {how} (training.accumulation_steps = {parts}), which takes about "
        f"{in_gb(memory.total)} by estimate{instead}"
    )
    return parts


class _Estimate:
    """The most memory that a training takes here, by kind, of its settings and what else is asked of the memory otherwise."""

    def __init__(
        self,
        settings: Recipe,
        data: Prepared,
        files: ModelFiles,
        device: torch.device,
        num_threads: int,
        ranks: Ranks = ALONE,
    ) -> None:
        training, config = settings.training, files.model.config
        trained, held = parameter_split(files.model)
        dtype = autocast_dtype(training.precision, device)
        self.device, self.num_threads, self.num_processes = device, num_threads, ranks.size
        self.rank = Rank(
            device="cuda" if device.type == "cuda" else "cpu",
            product_bytes=4 if dtype is None else 2,
            strategy=settings.parallel.strategy,
            world_size=ranks.size,
            keeps_freed=device.type == "cpu" and held <= LARGE_NETWORK,
            libraries=_libraries(held) if device.type != "cuda" else 0,  # a card's are not its tensors'
        )
        self.rows_each = data.train.width if isinstance(data, PreparedExamples) else 1  # a pair is two rows
        self.load = replace(
            load_of(settings, known_sizes(settings, data), config), adapter_parameters=trained if files.lora else None
        )

    def __call__(self, training: TrainingSettings, threads: int = 0, product_bytes: int = 0, **changed: Any) -> Memory:
        threads = threads or self.num_threads
        rank = replace(
            self.rank,
            product_bytes=product_bytes or self.rank.product_bytes,
            num_shards=num_shards(training, self.device, threads, self.num_processes),
            num_readers=threads if self.rank.device == "cpu" else 1,
        )
        in_rows = replace(training, batch_size=training.batch_size * self.rows_each)
        return training_memory(replace(self.load, settings=in_rows, **changed), rank)


def _libraries(num_parameters: int) -> int:
    """Bytes of what this process holds beside a network of so many parameters, and of what it will."""
    there = held_bytes()
    return max(0, there - 4 * num_parameters) + LOADED if there else 0


def _too_little(estimate: _Estimate, settings: Recipe, files: ModelFiles, found: list[tuple[int, Memory]]) -> str:
    """What to do about a budget that the training doesn't fit into, in whatever parts."""
    parts, least = min(found, key=lambda one: one[1].total)
    training = replace(settings.training, accumulation_steps=parts)
    others: dict[str, Memory] = {}
    if not training.activation_checkpointing:
        twice = replace(training, activation_checkpointing=True)
        others["training.activation_checkpointing=true"] = estimate(twice)
    if files.base and files.lora is None:
        count = adapter_parameters(estimate.load.config, training.lora)
        adapted = replace(training, method="lora", optimizer="adamw")
        others["training.method=lora"] = estimate(adapted, adapter_parameters=count)
    if estimate.rank.product_bytes == 4 and has_bf16_units(estimate.device):
        others["training.precision=bf16"] = estimate(training, product_bytes=2)
    if estimate.rank.device == "cpu" and estimate.num_threads > 1:
        others["training.num_threads=1"] = estimate(training, threads=1)
    half = max(1, estimate.load.row_length // 2)
    others[f"model.max_seq_len={half}"] = estimate(training, row_length=half)
    others["evaluation.batch_size=1"] = estimate(training, evaluation_rows=1)
    helps = {what: memory.total for what, memory in others.items() if memory.total < WORTH_SAYING * least.total}
    less = "".join(
        f"{what} (to about {in_gb(needed(helps[what]))}), " for what in sorted(helps, key=lambda what: helps[what])
    )
    kinds = {"weights": least.weights, "gradients": least.gradients, "optimizer": least.optimizer}
    takes = ", ".join(f"{name} {in_gb(size)}" for name, size in {**kinds, "libraries": least.libraries}.items())
    rows = f"{training.batch_size // parts} of the {training.batch_size} rows of a batch"
    return (
        f"training needs about {in_gb(needed(least.total))} at the least, with {rows} at a time "
        f"({takes}; {RESERVE:.0%} are left for what the estimate misses): allow that much, or lower it by {less}a smaller network "
        "(model.d_model, model.num_layers)"
    )


def needed(estimated: int) -> int:
    """The budget that an estimate fits into, with what is left for what it misses."""
    return math.ceil(estimated / (1 - RESERVE))


def in_gb(size: int) -> str:
    """Bytes as gigabytes, in two or three digits."""
    return f"{size / 1e9:.3g} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"

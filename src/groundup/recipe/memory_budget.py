"""Into how many parts each batch goes, so that training fits into a memory that was given: `training.memory_budget`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from groundup.config import build, read_bytes, read_toml
from groundup.device import autocast_dtype, has_bf16_units
from groundup.errors import SettingError
from groundup.model.settings import TransformerConfig
from groundup.recipe.data import Prepared
from groundup.recipe.expected_memory import load_of, rank_here
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import Sizes, known_sizes
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.training.memory import training_memory
from groundup.training.memory_kinds import Memory
from groundup.training.memory_parts import Rank
from groundup.training.ranks import ALONE, Ranks
from groundup.training.settings import parts_of_batch

RESERVE = 0.25
"""The share of a budget that is left for what the estimate misses: up to a fifth of some small networks' memory (docs/log.md)."""
WORTH_SAYING = 0.97
"""What else would help is named where it takes no more than this share of the memory."""
Estimate = Callable[..., Memory]
"""The most memory that a recipe's training takes here, by kind; fields of its `Load` by name are as said."""


def parts_within_budget(
    settings: Recipe,
    directory: RunDirectory,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    say: Callable[[str], None],
    ranks: Ranks = ALONE,
) -> int:
    """The fewest `accumulation_steps`, no fewer than the recipe asks for, with which training fits into its memory budget.

    Without a budget those that it asks for. The budget is each process's, if several train together. By the estimate that plans have,
    and with a share of the budget to spare. A run that has begun keeps what it chose. `say` is told what is chosen. Raises `SettingError`
    if one row at a time takes more than the budget, with what would take less.
    """
    training = settings.training
    if not training.memory_budget:
        return training.accumulation_steps
    if directory.started:
        return build(Recipe, read_toml(directory.path / RECIPE_FILE)).training.accumulation_steps
    budget = read_bytes("training.memory_budget", training.memory_budget)
    sizes, config = known_sizes(data), files.model.config
    opened = sum(parameter.nbytes for parameter in files.model.parameters())

    def estimate(recipe: Recipe, **changed: Any) -> Memory:
        load = replace(load_of(recipe, sizes, config), **changed)
        return training_memory(load, rank_here(recipe.training, config, opened, recipe.parallel.strategy, ranks))

    found: list[tuple[int, Memory]] = []
    for parts in parts_of_batch(training):
        found.append((parts, estimate(with_training(settings, accumulation_steps=parts))))
        if needed(found[-1][1].total) <= budget:
            break
    else:
        parts, least = min(found, key=lambda one: one[1].total)
        in_parts = with_training(settings, accumulation_steps=parts)
        why = _too_little(estimate, in_parts, sizes.longest_row, bool(files.base), device, least)
        raise SettingError("training.memory_budget", training.memory_budget, why)
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


def within_its_budget(
    settings: Recipe, sizes: Sizes, config: TransformerConfig, ranks: Sequence[Rank]
) -> tuple[Recipe, float]:
    """The recipe as a plan has it, in the fewest parts with which one of the ranks keeps to its memory budget, and what that leaves for the
    estimate; without a budget as it is. Raises `SettingError` where all parts take more."""
    training = settings.training
    if not training.memory_budget:
        return settings, math.inf
    budget, least = read_bytes("training.memory_budget", training.memory_budget), math.inf
    for parts in parts_of_batch(training, ranks[0].world_size):
        in_parts = with_training(settings, accumulation_steps=parts)
        load = load_of(in_parts, sizes, config)
        least = min(least, *(training_memory(load, rank).total for rank in ranks))
        if needed(least) <= budget:
            return in_parts, (1 - RESERVE) * budget
    advice = f"training needs about {in_gb(needed(least))} at the least: allow that much, or see docs/memory.md for what takes less"
    raise SettingError("training.memory_budget", training.memory_budget, advice)


def _too_little(
    estimate: Estimate, settings: Recipe, longest_row: int, has_base: bool, device: torch.device, least: Memory
) -> str:
    """What to do about a budget that the training doesn't fit into; `settings` are those that take the least, in whatever parts."""
    training = settings.training
    ways: dict[str, dict[str, Any]] = {"training.activation_checkpointing=true": {"activation_checkpointing": True}}
    if has_base:
        ways["training.method=lora"] = {"method": "lora", "optimizer": "adamw"}
    if autocast_dtype(training.precision, device) is None and has_bf16_units(device):
        ways["training.precision=bf16"] = {"precision": "bf16"}
    if device.type == "cpu":
        ways["training.num_threads=1"] = {"num_threads": 1}
    others = {what: estimate(with_training(settings, **way)) for what, way in ways.items()}
    half = max(1, longest_row // 2)
    others[f"model.max_seq_len={half}"] = estimate(settings, row_length=half)
    others["evaluation.batch_size=1"] = estimate(settings, evaluation_rows=1)
    helps = {what: memory.total for what, memory in others.items() if memory.total < WORTH_SAYING * least.total}
    less = "".join(
        f"{what} (to about {in_gb(needed(helps[what]))}), " for what in sorted(helps, key=lambda what: helps[what])
    )
    kinds = {"weights": least.weights, "gradients": least.gradients, "optimizer": least.optimizer}
    takes = ", ".join(f"{name} {in_gb(size)}" for name, size in {**kinds, "libraries": least.libraries}.items())
    rows = f"{training.batch_size // training.accumulation_steps} of the {training.batch_size} rows of a batch"
    return (
        f"training needs about {in_gb(needed(least.total))} at the least, with {rows} at a time "
        f"({takes}; {RESERVE:.0%} are left for what the estimate misses): allow that much, or lower it by {less}a smaller network "
        "(model.d_model, model.num_layers)"
    )


def needed(estimated: float) -> int:
    """The budget that an estimate fits into, with what is left for what it misses."""
    return math.ceil(estimated / (1 - RESERVE))


def in_gb(size: float) -> str:
    """Bytes as gigabytes, in two or three digits."""
    return f"{size / 1e9:.3g} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def with_training(settings: Recipe, **changed: Any) -> Recipe:
    """The recipe with other settings in its [training] section."""
    return replace(settings, training=replace(settings.training, **changed))

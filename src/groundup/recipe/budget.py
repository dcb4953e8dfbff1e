"""The largest network of a recipe's family that is trained within a budget: so many minutes, so much memory, here or elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundup.cores import memory_bytes
from groundup.errors import SettingError
from groundup.model.settings import TransformerConfig
from groundup.recipe.accelerators import Accelerator, layer_seconds, product_bytes
from groundup.recipe.expected_memory import RUNTIME, load_of, rank_here
from groundup.recipe.memory_budget import RESERVE
from groundup.recipe.plan import advice, find_sizes, plan_here, strategies
from groundup.recipe.settings import Recipe
from groundup.recipe.shapes import Shape, find_shape, smallest_memory
from groundup.recipe.sizes import Sizes
from groundup.report.pages import duration, figure, size
from groundup.training.memory import training_memory
from groundup.training.memory_kinds import Load
from groundup.training.memory_parts import Rank
from groundup.training.settings import TrainingSettings

FOR_STEPS = 0.8
"""Share of the time that is left for steps: validation, samples and checkpoints take the rest."""
USED = 0.75
"""Share of the time that a shape should take at the least, by its own steps, for the search to end there."""
MOST_EPOCHS = 4
"""So often text may be read again nearly as if it were new (Muennighoff et al. 2023, Scaling Data-Constrained Language Models, §6)."""


def check_minutes(minutes: float | None) -> None:
    """Raise `SettingError` for a time in which nothing can be done."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise SettingError("--minutes", minutes, "use a number above 0, e.g. --minutes 15")


def shape_for(
    settings: Recipe,
    sizes: Sizes,
    config: TransformerConfig,
    minutes: float | None,
    memory: float | None,
    flops_per_second: float,
    rank: Rank,
    card: Accelerator | None = None,
) -> dict[str, Any]:
    """The shape, what it takes, and the overrides that train it. Raises `SettingError` where nothing fits.

    `flops_per_second`: what a training's products reach, with those computed twice to save memory; here as it was measured.
    """
    load = load_of(settings, sizes, config)
    there = card.memory if card is not None else memory_bytes() or math.inf
    given = min(memory or math.inf, there)
    limit = given if card else (1 - RESERVE) * given
    flops = math.inf if minutes is None else FOR_STEPS * 60 * minutes * flops_per_second
    waits = 0.0 if card is None else layer_seconds(settings.training, settings.data, rank.world_size)
    a_layer = waits * flops_per_second
    most_steps = MOST_EPOCHS * sizes.rows // settings.training.batch_size
    found = find_shape(load, rank, flops=flops, memory=limit, flops_a_layer=a_layer, most_steps=most_steps)
    if found is None:
        if (needed := smallest_memory(load, rank)) > limit:
            advice = f"the smallest network takes {size(needed * given / limit)}: give at least so much"
            raise SettingError("--memory", size(given), advice)
        raise SettingError("--minutes", minutes, "not even the smallest network is trained in that time: give more")
    together = _together(found, load, rank, limit)
    shape = told(found, settings, sizes)
    return {
        **shape,
        "overrides": shape["overrides"] + together,
        "seconds_of_steps": found.flops / flops_per_second,
        "limited_by": "memory" if minutes is None or _is_largest(found, load, rank, limit) else "time",
    }


def _is_largest(found: Shape, load: Load, rank: Rank, limit: float) -> bool:
    """Whether no larger shape would fit into that memory, whatever the time; where no machine says how much it has, one would."""
    largest = find_shape(load, rank, memory=limit) if limit < math.inf else None
    return largest is not None and largest.config == found.config


def _together(found: Shape, load: Load, rank: Rank, limit: float) -> list[str]:
    """The override with which several cards train a shape: of the ways that leave room, the one in which least travels."""
    if rank.world_size == 1:
        return []
    load = replace(
        load, config=found.config, settings=replace(load.settings, accumulation_steps=found.accumulation_steps)
    )
    fitting = (
        strategy
        for strategy in strategies(load.settings, rank.world_size)
        if training_memory(load, replace(rank, strategy=strategy)).total <= limit
    )
    return [f"parallel.strategy={next(fitting, rank.strategy)}"]


def rank_of_any_size(
    training: TrainingSettings, config: TransformerConfig, card: Accelerator | None = None, count: int = 1
) -> Rank:
    """One of so many cards, or else this process as it is before any step, whose C library keeps what small networks free; `find_shape`
    knows which are small."""
    if card is not None:
        strategy = strategies(training, count)[-1]
        return Rank("cuda", product_bytes(card, training), 1, 1, strategy, count, libraries=RUNTIME)
    rank = rank_here(training, config)
    return replace(rank, keeps_freed=rank.device == "cpu")


def shape_timed_here(
    shape_for: Callable[[float], dict[str, Any]],
    flops_per_second: float,
    minutes: float,
    with_shape: Callable[[list[str]], Recipe],
    folder: Path,
) -> dict[str, Any]:
    """The shape for this machine, with the time that it takes by steps of its own. Where that is more than was given, or leaves much of it,
    the one for the speed that they reached; that is timed, too, and a note says so where it is too long still.

    `shape_for`: the shape for so many operations a second; `with_shape`: the recipe with a shape's overrides.
    """
    shape, flops_per_second = _timed_here(shape_for(flops_per_second), with_shape, folder)
    if not USED * 60 * minutes <= shape["seconds"] <= 60 * minutes:
        other = shape_for(flops_per_second)
        if other["overrides"] != shape["overrides"]:  # memory may be what ends it, and no speed finds another
            shape, _ = _timed_here(other, with_shape, folder)
    if shape["seconds"] > 60 * minutes:
        longer = f"that is more than {duration(60 * minutes)}: steps were slower than those before; plan again when the machine is quiet"
        shape["notes"] = [*shape["notes"], longer]
    return shape


def _timed_here(
    found: dict[str, Any], with_shape: Callable[[list[str]], Recipe], folder: Path
) -> tuple[dict[str, Any], float]:
    """A shape that was found, with the time of some steps of its own, which are slower than a larger network's for their arithmetic; and
    the operations a second that they reach."""
    settings = with_shape(found["overrides"])
    sizes, data = find_sizes(settings, folder)
    plan = plan_here(settings, folder, sizes, data)
    steps = plan["seconds_by_part"]["steps"]  # not its memory: this process holds what the first network's steps left
    return {**found, "seconds": plan["seconds"], "seconds_of_steps": steps}, plan["flops_per_second"]


def told(found: Shape, settings: Recipe, sizes: Sizes) -> dict[str, Any]:
    """A shape as JSON values."""
    tokens = found.max_steps * settings.training.batch_size * found.config.max_seq_len
    epochs = found.max_steps * settings.training.batch_size / sizes.rows
    notes = [f"{tokens:,} tokens, {figure(tokens / found.parameters, 2)} a parameter (docs/planning.md says why)"]
    if epochs > MOST_EPOCHS:
        notes.append(
            f"the text would be read {epochs:,.1f} times; more than {MOST_EPOCHS} are worth little (Muennighoff et al. 2023): add text"
        )
    return {
        "parameters": found.parameters,
        "memory_bytes": found.memory,
        "flops": found.flops,
        "overrides": found.overrides(settings.training) + learning_rate(found, settings),
        "notes": notes,
    }


def learning_rate(found: Shape, settings: Recipe) -> list[str]:
    """AdamW's rate goes with 1 / √width beside Muon (docs/speedrun.md); with AdamW alone it stays as it is."""
    if settings.training.optimizer != "muon":
        return []
    scaled = settings.training.learning_rate * (settings.model.d_model / found.config.d_model) ** 0.5
    return [f"training.learning_rate={scaled:.3g}"]


def fitting_here(settings: Recipe, sizes: Sizes, config: TransformerConfig) -> list[str]:
    """Overrides with which this machine's memory holds a recipe that it doesn't hold: those that lower what its network takes, or else,
    unless a base gives the shape, those of the largest network."""
    load, room = load_of(settings, sizes, config), (1 - RESERVE) * memory_bytes()
    lower = advice(load, settings.training, [rank_here(settings.training, config)], room)
    if lower or settings.model.base:
        return lower
    kept = replace(load.settings, accumulation_steps=load.settings.batch_size)
    found = find_shape(replace(load, settings=kept), rank_of_any_size(kept, config), memory=room)
    return found.overrides(settings.training) if found else []

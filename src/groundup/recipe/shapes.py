"""The shape of a network for a budget of arithmetic or memory, in a recipe's family. Pure functions; imports no torch.

Hoffmann et al. 2022 (Training Compute-Optimal Large Language Models, §3.4 and table A3): of C operations, about as many go best into more
parameters as into more tokens, which comes to some 20 tokens a parameter, from 400 million parameters on; and C = 6 N D (Kaplan et al.
2020, §2.1). Smaller networks want fewer, as was measured. Width and depth grow together: a network of one size is about as good anywhere
between a width of 20 and of 200 times its depth (the same, figure 5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from groundup.model.counts import forward_flops, parameter_counts, training_flops
from groundup.model.settings import TransformerConfig
from groundup.training.memory import LARGEST_KEPT, training_memory
from groundup.training.memory_kinds import Load
from groundup.training.memory_parts import Rank
from groundup.training.settings import TrainingSettings, parts_of_batch, unevenness

TOKENS_A_PARAMETER = 20
PARAMETERS_THERE = 4e8
"""Of the smallest network that Hoffmann et al. tell 20 tokens a parameter for."""
GROWTH = 0.4
"""Power of the parameters by which the tokens a parameter grow below it: from there to between the best of what was trained for half a
minute and for one and a half, 0.4 and 1.3 million parameters with 2.1 and 1.0 tokens each (docs/planning.md)."""
HEAD = 64
ASPECT = 64
"""Width over depth that is aimed at; of the depths beside it those within a factor of two are looked at."""
LEAST_DEPTH = 2
"""Of one layer a network is worse than of two of half the width, in the same time (docs/planning.md)."""
MOST_WIDTH = 2**15
SHAPE = ("d_model", "num_layers", "num_heads", "num_kv_heads", "head_dim", "d_ff")
"""All that makes up a shape: a recipe may say of any of them what fits another."""


@dataclass(frozen=True)
class Shape:
    """A network and how long it is trained."""

    config: TransformerConfig
    max_steps: int
    flops: float
    """Of all steps, with those that are computed twice to save memory; or those that there would be time for while its layers wait, or
    cards for one that has more rows."""
    memory: int
    """Bytes of one rank."""
    accumulation_steps: int

    @property
    def parameters(self) -> int:
        return parameter_counts(self.config)["total"]

    def overrides(self, settings: TrainingSettings) -> list[str]:
        """What to write behind a recipe's name to train it."""
        names = SHAPE + (("first_windowed_layer",) if self.config.sliding_window else ())
        changed = [f"model.{name}={getattr(self.config, name)}" for name in names]
        changed.append(f"training.max_steps={self.max_steps}")
        if settings.epochs:
            changed.append("training.epochs=0")  # which would decide, whatever the steps
        if self.accumulation_steps != settings.accumulation_steps:
            changed.append(f"training.accumulation_steps={self.accumulation_steps}")
        return changed


def tokens_a_parameter(parameters: int) -> float:
    """How many tokens a network is to be trained on, at the least, before a larger one is worth the time."""
    return float(TOKENS_A_PARAMETER * min(1.0, parameters / PARAMETERS_THERE) ** GROWTH)


def find_shape(
    load: Load,
    rank: Rank,
    *,
    flops: float = math.inf,
    memory: float = math.inf,
    flops_a_layer: float = 0.0,
    most_steps: int = 0,
) -> Shape | None:
    """The largest network of a family whose compute-optimal training keeps to a budget of operations, of bytes a rank, or of both. What
    operations are left go into more steps, up to `most_steps`.

    `flops_a_layer`: what a layer costs in a part of a step at the least, however small it is. Rows, batch and all else stay the recipe's; a
    batch may be read in more parts, where memory asks for it. None where the smallest network is too large.
    """
    shapes = _shapes(load, rank, flops, memory, flops_a_layer)
    found = max(shapes, key=lambda shape: shape.parameters, default=None)
    if found is None or flops == math.inf:
        return found
    of_a_step = found.flops / found.max_steps
    steps = max(found.max_steps, min(most_steps, int(flops / of_a_step)))
    return replace(found, max_steps=steps, flops=steps * of_a_step)


def smallest_memory(load: Load, rank: Rank) -> int:
    """Bytes that the smallest network takes, each process's rows of a batch read one by one."""
    in_parts = replace(load.settings, accumulation_steps=parts_of_batch(load.settings, rank.world_size)[-1])
    smallest = _with_sizes(load.config, HEAD, LEAST_DEPTH)
    return training_memory(replace(load, config=smallest, settings=in_parts), rank).total


def _shapes(load: Load, rank: Rank, flops: float, memory: float, flops_a_layer: float) -> Iterator[Shape]:
    """All that keep to the budget, of each width the depths near the aspect that is aimed at, up to the first width of which none does."""
    width = HEAD
    while width <= MOST_WIDTH:
        found = False
        middle = max(1, round(width / ASPECT))
        for depth in range(max(LEAST_DEPTH, (middle + 1) // 2), 2 * middle + 1):
            sized = replace(load, config=_with_sizes(load.config, width, depth))
            shape = _trained(sized, rank, memory, flops_a_layer)
            if shape is not None and shape.flops <= flops:
                found = True
                yield shape
        if not found:
            return
        width += HEAD if width < 1024 else 4 * HEAD


def _with_sizes(config: TransformerConfig, width: int, depth: int) -> TransformerConfig:
    heads = width // HEAD
    group = config.num_heads // config.num_kv_heads
    shared = heads // group if heads % group == 0 else heads
    return replace(
        config,
        d_model=width,
        num_layers=depth,
        num_heads=heads,
        num_kv_heads=max(1, shared),
        head_dim=HEAD,
        d_ff=0,
        first_windowed_layer=config.first_windowed_layer * depth // config.num_layers,  # for the same share of them
    )


def _trained(load: Load, rank: Rank, memory: float, flops_a_layer: float) -> Shape | None:
    """The shape with its training, or None where it doesn't fit."""
    config, settings = load.config, load.settings
    rank = replace(rank, keeps_freed=rank.keeps_freed and parameter_counts(config)["total"] <= LARGEST_KEPT)
    for parts in parts_of_batch(settings, rank.world_size):
        needed = training_memory(replace(load, settings=replace(settings, accumulation_steps=parts)), rank).total
        if needed <= memory:
            break
    else:
        return None
    of_a_step, parameters = settings.batch_size * config.max_seq_len, parameter_counts(config)["total"]
    steps = max(1, math.ceil(tokens_a_parameter(parameters) * parameters / of_a_step))
    uneven = unevenness(replace(settings, accumulation_steps=parts), rank.world_size)
    of_products = training_flops(config, of_a_step, config.max_seq_len)
    if settings.activation_checkpointing:
        of_products += forward_flops(config, of_a_step, config.max_seq_len, 0)
    flops = steps * max(uneven * of_products, parts * config.num_layers * flops_a_layer)
    return Shape(config, steps, flops, needed, parts)

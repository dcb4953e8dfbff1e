"""The moments of a training step at which most memory may be needed: pure functions of the recipe's sizes. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from groundup.model.counts import parameter_counts
from groundup.training.activation_memory import (
    FULL,
    block_activation_bytes,
    end_activation_bytes,
    training_activation_bytes,
    way_back_bytes,
)
from groundup.training.memory_kinds import Load, Memory
from groundup.training.memory_parts import (
    Rank,
    gathered_bytes,
    largest_parameter,
    logits_bytes,
    matrix_parameters,
    message_bytes,
    narrow_parameters,
    optimizer_numbers,
    pairs_logits_bytes,
    room_bytes,
    rows_at_once,
    update_bytes,
)

HELD_IN_STEPS = 1.8
"""How many times as much as is in use at once is held where the C library keeps what is freed: chosen, as `HELD_IN_READING`, by eleven
shapes, none of them among those that plans are held to (`python -m benchmarks.planning.run --fitted-on`)."""


@dataclass(frozen=True)
class Sizes:
    """Bytes that are there at several moments, and what they follow from."""

    shards: int
    tokens: int
    """That are read at once."""
    length: int
    """Of a row of them."""
    predicted: int
    """Of a shard's tokens, those that carry loss."""
    trained: int
    """Parameters."""
    split: int
    """Over how many processes weights, gradients and moments are dealt out."""
    weights: int
    """With `copies`."""
    copies: int
    """Of matrices in the products' format, as long as steps are taken; as many are their gradients, which are among those."""
    gradients: int
    """Of one shard."""
    optimizer: int
    room: int
    """For logits, that stays from one step to the next."""


def sizes_of(load: Load, rank: Rank) -> Sizes:
    """What a recipe comes to in one rank."""
    config, settings, adapted = load.config, load.settings, load.adapter_parameters is not None
    length, rows = load.row_length or config.max_seq_len, rows_at_once(settings, rank.world_size)
    tokens, shards = rows * length, max(1, min(rank.num_shards, rows))
    predicted = math.ceil(tokens * load.learned_share / shards)
    parameters, narrow = parameter_counts(config)["total"], load.adapter_parameters or 0
    trained = narrow if adapted else parameters
    split = rank.world_size if rank.strategy == "fsdp" else 1
    whole = gathered_bytes(config) if split > 1 else 0
    in_two_formats = narrow_parameters(config, settings, rank, adapted)
    copies = rank.product_bytes * in_two_formats
    return Sizes(
        shards=shards,
        tokens=tokens,
        length=length,
        predicted=predicted,
        trained=trained,
        split=split,
        weights=FULL * (parameters + narrow) // split + whole + copies,
        copies=copies,
        gradients=FULL * trained // split + (0 if adapted else whole) - FULL * in_two_formats + copies,
        optimizer=FULL * optimizer_numbers(config, settings, trained) // split,
        room=shards * room_bytes(config, predicted, rank),
    )


def step_moments(load: Load, rank: Rank, sizes: Sizes) -> list[Memory]:
    """The loss, the way back through the last block and, where it is computed again, through the first, its end, the update."""
    config, settings, adapted, shards = load.config, load.settings, load.adapter_parameters is not None, sizes.shards
    # Of weights that are gathered for a block and forgotten, too, autograd keeps the copies that its products read; of a block that is
    # computed twice until its end.
    copied = matrix_parameters(config) // (config.num_layers if settings.activation_checkpointing else 1)
    if rank.product_bytes == FULL or sizes.copies:
        copied = 0  # none, or there at all times
    weights = sizes.weights + shards * rank.product_bytes * copied
    message = message_bytes(config, sizes.trained) if rank.strategy == "ddp" and rank.world_size > 1 else 0
    projection = 0 if adapted else FULL * config.vocab_size * config.d_model // sizes.split
    embedding = projection if config.tie_embeddings else 0  # a tied embedding's gradient comes from two places
    before = sizes.gradients if settings.accumulation_steps > 1 else 0  # of the parts before
    kept, of_ends, of_block = _activations(load, rank, sizes)
    again = (of_block if settings.activation_checkpointing else 0) + _way_back(load, rank, sizes)
    in_pairs = settings.objective == "preference" and rank.device != "cpu"
    of_loss = pairs_logits_bytes if in_pairs else logits_bytes
    logits = of_loss(config, sizes.predicted, rank, learns_projection=not adapted)
    held = HELD_IN_STEPS if rank.keeps_freed else 1.0
    of_all = partial(Memory, optimizer=sizes.optimizer, libraries=rank.libraries)
    first_block = of_all(
        "the way back through the first block",
        weights=weights,
        gradients=message + shards * sizes.gradients,
        activations=round(held * ((kept - of_ends) // config.num_layers + again)),
        logits=sizes.room,
    )
    return [
        of_all(
            "the loss, before the way back",
            weights=sizes.weights if settings.activation_checkpointing else weights,
            gradients=before,
            activations=round(held * kept),
            logits=round(held * shards * logits),
        ),
        of_all(
            "the way back through the last block",
            weights=weights,
            gradients=max(before, shards * projection),
            activations=round(held * (kept - of_ends + again)),
            logits=sizes.room,
        ),
        *([first_block] if settings.activation_checkpointing else []),
        of_all(
            "the end of the way back",
            weights=weights,
            gradients=message + shards * (sizes.gradients + embedding),
            activations=kept // config.num_layers,
            logits=sizes.room,
        ),
        of_all(
            "the update",
            weights=sizes.weights,
            gradients=shards * sizes.gradients,
            logits=sizes.room,
            update=update_bytes(config, settings, rank, 0 if adapted else largest_parameter(config)) // sizes.split,
        ),
    ]


def _stream_bytes(load: Load, rank: Rank) -> int:
    """Of a number that goes from block to block: on a card two where the products' have two, but behind norms, which give four."""
    narrow = rank.device == "cuda" and load.settings.precision != "fp16" and load.config.norm_position == "pre"
    return rank.product_bytes if narrow else FULL


def _activations(load: Load, rank: Rank, sizes: Sizes) -> tuple[int, int, int]:
    """What autograd keeps of all tokens; what of that before and behind the blocks; what one block makes it keep."""
    settings, stream = load.settings, _stream_bytes(load, rank)
    # What isn't compiled normalizes, and keeps, a copy of the stream in fp32.
    normalized = stream if settings.compile else FULL
    options: Any = {
        "device": rank.device,
        "compiled": settings.compile,
        "lora": settings.lora if load.adapter_parameters is not None else None,
        "stream_bytes": normalized,
    }
    inputs = stream if settings.activation_checkpointing else 0
    sized = (load.config, sizes.tokens, sizes.length, rank.product_bytes)
    kept = training_activation_bytes(*sized, input_bytes=inputs, **options)
    block = block_activation_bytes(load.config, sizes.length, rank.product_bytes, **options)
    return kept, sizes.tokens * end_activation_bytes(load.config, normalized), round(sizes.tokens * block)


def _way_back(load: Load, rank: Rank, sizes: Sizes) -> int:
    """What the way back through a block makes beside what is kept."""
    lora = load.settings.lora if load.adapter_parameters is not None else None
    return sizes.tokens * way_back_bytes(load.config, rank.product_bytes, lora, _stream_bytes(load, rank))

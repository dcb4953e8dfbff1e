"""How much memory a training takes, by kind, before it is begun: pure functions of the recipe's sizes. Imports no torch.

What is counted is what the code keeps. Most memory is needed at one of a few moments, and what the kinds take then is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import partial

from groundup.model.counts import parameter_counts
from groundup.model.settings import TransformerConfig
from groundup.training.activation_memory import FULL, inference_activation_bytes, training_activation_bytes
from groundup.training.memory_parts import (
    Rank,
    cache_bytes,
    gathered_bytes,
    largest_parameter,
    logits_bytes,
    matrix_parameters,
    message_bytes,
    optimizer_numbers,
    room_bytes,
    rows_at_once,
    update_bytes,
    validation_logits_bytes,
)
from groundup.training.settings import TrainingSettings

LARGEST_KEPT = 30_000_000
"""As `LARGE_NETWORK` in training/step.py: parameters up to which the C library keeps what is freed."""
HELD_IN_STEPS, HELD_IN_READING = 1.8, 1.1
"""How many times as much as is in use at once is held where the C library keeps what is freed: chosen by eleven shapes, none of them among
those that plans are held to (`python -m benchmarks.planning.run --fitted-on`)."""
VALIDATION_TOKENS = 2**14
"""As in language_model/token_losses.py: at most so many tokens are read at once where nothing is learned."""


@dataclass(frozen=True)
class Memory:
    """Bytes by kind, of one rank, at the moment when they are most."""

    moment: str
    weights: int = 0
    """With what the matrix products have of them in their own format, and, under `fsdp`, the layers that are whole for a moment, and at
    validation all, in the first process."""
    gradients: int = 0
    optimizer: int = 0
    """AdamW's two moments, or Muon's one."""
    activations: int = 0
    """What the way back needs, of the rows that are read at once."""
    logits: int = 0
    """Scores of the vocabulary, and the output projection's gradient, which is made beside them."""
    update: int = 0
    """What the optimizer makes on its way: Muon's updates."""
    cache: int = 0
    """Keys and values of the text that is written at a validation."""
    libraries: int = 0

    @property
    def total(self) -> int:
        """All of it: the most that the process holds."""
        return sum(getattr(self, each.name) for each in fields(self) if each.name != "moment")


@dataclass(frozen=True)
class Load:
    """What a recipe asks of the memory."""

    config: TransformerConfig
    settings: TrainingSettings
    adapter_parameters: int | None = None
    """How many are trained beside frozen weights; None if all weights are."""
    row_length: int = 0
    """Tokens of a row; 0: the network's context."""
    learned_share: float = 1.0
    """Of the tokens, which carry loss."""
    evaluation_rows: int = 32
    """How many of validation's windows are read at once."""
    evaluation_tokens: int = 0
    """Tokens that validation reads; 0: more than the threads read at once."""
    held_out: int = 0
    """Tokens that the end reads; 0: more than the threads read at once."""
    sample_tokens: int = 200
    """How long the text is that is written at a validation."""
    rows_are_text_alone: bool = True
    """Whether rows of text have neither padding nor each token's document beside them (`text.settings.DataSettings`)."""


def training_memory(load: Load, rank: Rank) -> Memory:
    """The most memory that one rank of a training takes, in bytes by kind, at the moment when it is most."""
    return max(training_moments(load, rank), key=lambda moment: moment.total)


def training_moments(load: Load, rank: Rank) -> list[Memory]:
    """The moments at which most memory may be needed: the loss, the end of the way back, the update, validation, the end."""
    sizes = _sizes(load, rank)
    steps, (validation, end) = _step_moments(load, rank, sizes), _reading_moments(load, rank, sizes)
    if rank.keeps_freed:
        most = max(steps, key=lambda moment: moment.total)
        again = (sizes.shards - 1) / rank.num_readers
        validation, end = _beside(most, validation, again, validation), _beside(most, end, again, validation)
    elif _is_recorded(load, rank):  # what its places are in stays until training ends
        validation = _beside(max(steps, key=lambda moment: moment.total), validation, 0.0, validation)
    return [*steps, validation, end]


@dataclass(frozen=True)
class _Sizes:
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
    gradients: int
    """Of one shard."""
    optimizer: int
    room: int
    """For logits, that stays from one step to the next."""


def _sizes(load: Load, rank: Rank) -> _Sizes:
    config, settings, adapted = load.config, load.settings, load.adapter_parameters is not None
    length, rows = load.row_length or config.max_seq_len, rows_at_once(settings, rank.world_size)
    tokens, shards = rows * length, max(1, min(rank.num_shards, rows))
    predicted = math.ceil(tokens * load.learned_share / shards)
    parameters, narrow = parameter_counts(config)["total"], load.adapter_parameters or 0
    trained = narrow if adapted else parameters
    split = rank.world_size if rank.strategy == "fsdp" else 1
    whole = gathered_bytes(config) if split > 1 else 0
    return _Sizes(
        shards=shards,
        tokens=tokens,
        length=length,
        predicted=predicted,
        trained=trained,
        split=split,
        weights=FULL * (parameters + narrow) // split + whole,
        gradients=FULL * trained // split + (0 if adapted else whole),
        optimizer=FULL * optimizer_numbers(config, settings, trained) // split,
        room=shards * room_bytes(config, predicted, rank),
    )


def _step_moments(load: Load, rank: Rank, sizes: _Sizes) -> list[Memory]:
    """The loss, the end of the way back, the update."""
    config, settings, adapted, shards = load.config, load.settings, load.adapter_parameters is not None, sizes.shards
    # Of weights that are gathered for a block and forgotten, too, autograd keeps the copies that its products read; of a block that is
    # computed twice until its end.
    copied = matrix_parameters(config) // (config.num_layers if settings.activation_checkpointing else 1)
    copies = 0 if rank.product_bytes == FULL else rank.product_bytes * copied
    message = message_bytes(config, sizes.trained) if rank.strategy == "ddp" and rank.world_size > 1 else 0
    embedding = FULL * config.vocab_size * config.d_model if config.tie_embeddings and not adapted else 0
    narrow_stream = rank.device == "cuda" and settings.compile and settings.precision != "fp16"
    activations = training_activation_bytes(
        config,
        sizes.tokens,
        sizes.length,
        rank.product_bytes,
        device=rank.device,
        compiled=settings.compile,
        checkpointing=settings.activation_checkpointing,
        lora=settings.lora if adapted else None,
        # On a card the stream is in bf16 where the products are; what isn't compiled normalizes, and keeps, a copy in fp32.
        stream_bytes=rank.product_bytes if narrow_stream else FULL,
    )
    logits = logits_bytes(config, sizes.predicted, rank, learns_projection=not adapted)
    held = HELD_IN_STEPS if rank.keeps_freed else 1.0
    of_all = partial(Memory, optimizer=sizes.optimizer, libraries=rank.libraries)
    return [
        of_all(
            "the loss, before the way back",
            weights=sizes.weights + shards * copies,
            gradients=sizes.gradients if settings.accumulation_steps > 1 else 0,  # of the parts before
            activations=round(held * activations),
            logits=round(held * shards * logits),
        ),
        of_all(
            "the end of the way back",
            weights=sizes.weights + shards * copies,
            # A tied embedding's gradient comes from two places.
            gradients=message + shards * (sizes.gradients + embedding // sizes.split),
            activations=activations // config.num_layers,
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


def _reading_moments(load: Load, rank: Rank, sizes: _Sizes) -> tuple[Memory, Memory]:
    """Validation, and the end, when all that is held out is read. Of a network that is dealt out the first process has all then."""
    whole = FULL * (parameter_counts(load.config)["total"] + (load.adapter_parameters or 0)) if sizes.split > 1 else 0
    of_both = partial(Memory, weights=sizes.weights + whole, libraries=rank.libraries)
    room = 0 if rank.keeps_freed else sizes.room  # it is among what steps held
    return (
        of_both(
            "validation",
            gradients=sizes.shards * sizes.gradients,
            optimizer=sizes.optimizer,
            **_reading(load, rank, room, load.evaluation_tokens),
        ),
        of_both(
            "the end, when all that is held out is read",
            gradients=sizes.gradients,
            **_reading(load, rank, room, load.held_out),
        ),
    )


def _is_recorded(load: Load, rank: Rank) -> bool:
    """Whether steps are recorded on a card (training/recorded_step.py)."""
    plain = load.settings.objective == "language_model" and load.rows_are_text_alone
    return rank.device == "cuda" and rank.world_size == 1 and plain and load.settings.steps_alike


def _beside(steps: Memory, reading: Memory, share: float, validation: Memory) -> Memory:
    """Reading, where what steps held is still there. The C library, where it keeps what is freed, has an arena for each thread, which
    others use once the thread has ended. Those that read are other threads than those that take steps, so what these held stays beside it,
    and the arenas that steps' threads took over from earlier readers have a share of what a validation takes."""
    return replace(
        reading,
        weights=max(steps.weights, reading.weights),
        gradients=steps.gradients,
        optimizer=steps.optimizer,
        activations=steps.activations + reading.activations + round(share * validation.activations),
        logits=steps.logits + reading.logits + round(share * validation.logits),
        update=steps.update,
    )


def _reading(load: Load, rank: Rank, room: int, num_tokens: int) -> dict[str, int]:
    """What is there of other kinds while so many held-out tokens are read, or a text is written."""
    config, length = load.config, load.row_length or load.config.max_seq_len
    at_once = max(length, min(load.evaluation_rows * length, VALIDATION_TOKENS))
    num_tokens = num_tokens or rank.num_readers * at_once
    readers, read = min(rank.num_readers, math.ceil(num_tokens / at_once)), min(at_once, num_tokens)
    held = HELD_IN_READING if rank.keeps_freed else 1.0
    activations = inference_activation_bytes(config, read, length, device=rank.device)
    return {
        "activations": round(held * readers * activations),
        "logits": round(held * readers * validation_logits_bytes(config, read, rank.device)) + room,
        "cache": cache_bytes(config, 1, min(load.sample_tokens, config.max_seq_len)),
    }

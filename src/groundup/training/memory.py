"""How much memory a training takes, by kind, before it is begun: pure functions of the recipe's sizes. Imports no torch.

What is counted is what the code keeps. Most memory is needed at one of a few moments, and what the kinds take then is told.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from groundup.model.counts import parameter_counts
from groundup.training.activation_memory import FULL, inference_activation_bytes
from groundup.training.memory_kinds import Load, Memory
from groundup.training.memory_of_steps import Sizes, sizes_of, step_moments
from groundup.training.memory_parts import Rank, cache_bytes, validation_logits_bytes

LARGEST_KEPT = 30_000_000
"""As `LARGE_NETWORK` in training/step.py: parameters up to which the C library keeps what is freed."""
HELD_IN_READING = 1.1
"""As `HELD_IN_STEPS` in memory_of_steps.py, for what reading takes."""
VALIDATION_TOKENS = 2**14
"""As in language_model/token_losses.py: at most so many tokens are read at once where nothing is learned."""


def training_memory(load: Load, rank: Rank) -> Memory:
    """The most memory that one rank of a training takes, in bytes by kind, at the moment when it is most."""
    return max(training_moments(load, rank), key=lambda moment: moment.total)


def training_moments(load: Load, rank: Rank) -> list[Memory]:
    """The moments at which most memory may be needed: the loss, the end of the way back, the update, validation, the end."""
    sizes = sizes_of(load, rank)
    steps, (validation, end) = step_moments(load, rank, sizes), _reading_moments(load, rank, sizes)
    if rank.keeps_freed:
        most = max(steps, key=lambda moment: moment.total)
        again = (sizes.shards - 1) / rank.num_readers
        validation, end = _beside(most, validation, again, validation), _beside(most, end, again, validation)
    elif _is_recorded(load, rank):  # what its places are in stays until training ends
        validation = _beside(max(steps, key=lambda moment: moment.total), validation, 0.0, validation)
    return [*steps, validation, end]


def _reading_moments(load: Load, rank: Rank, sizes: Sizes) -> tuple[Memory, Memory]:
    """Validation, and the end, when all that is held out is read, and what steps alone need is gone: moments, copies of weights and their
    gradients. Of a network that is dealt out the first process has all in both."""
    whole = FULL * (parameter_counts(load.config)["total"] + (load.adapter_parameters or 0)) if sizes.split > 1 else 0
    of_both = partial(Memory, libraries=rank.libraries)
    room = 0 if rank.keeps_freed else sizes.room  # it is among what steps held
    return (
        of_both(
            "validation",
            weights=sizes.weights + whole,
            gradients=sizes.shards * sizes.gradients,
            optimizer=sizes.optimizer,
            **_reading(load, rank, room, load.evaluation_tokens),
        ),
        of_both(
            "the end, when all that is held out is read",
            weights=sizes.weights - sizes.copies + whole,
            gradients=sizes.gradients - sizes.copies,
            **_reading(load, rank, room, load.held_out),
        ),
    )


def _is_recorded(load: Load, rank: Rank) -> bool:
    """Whether steps are recorded on a card (training/recorded_step.py)."""
    plain = load.settings.objective == "language_model" and load.rows_are_text_alone
    return rank.device == "cuda" and rank.alone and plain and load.settings.steps_alike


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

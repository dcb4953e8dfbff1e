"""How much memory the parts of a training take, which training/memory.py puts together: pure functions of sizes. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from groundup.model.settings import TransformerConfig
from groundup.training.activation_memory import FULL, Device
from groundup.training.parallel_settings import Strategy
from groundup.training.settings import TrainingSettings

LOGITS_AT_ONCE: dict[Device, int] = {"cpu": 2**24, "cuda": 2**30, "mps": 2**30}
"""As in objectives/token_loss.py and token_loss_on_a_gpu.py: how many logits there are at a time, on a GPU of two bytes each."""
LOGARITHMS = 2**27
"""As in token_loss_on_a_gpu.py: of how many the logarithms are there at a time where no kernel keeps them to itself."""
VALIDATION_LOGITS: dict[Device, int] = {"cpu": 2**18, "cuda": 2**26, "mps": 2**26}
"""As in language_model/sliced_scores.py, which validation's losses come of."""
FEW_LOGITS = 2**18
"""As in objectives/language_model.py: up to so many are made all at once."""
MESSAGE = 25 * 2**20
"""Bytes of gradients that travel at once, about."""


@dataclass(frozen=True)
class Rank:
    """What one process of a training has to itself."""

    device: Device = "cpu"
    product_bytes: int = 4
    """Of a number in the format of the matrix products: 4 for fp32, 2 for bf16 and fp16."""
    num_shards: int = 1
    """Into how many threads' parts the rows go, each with gradients of its own (`training.shards.num_shards`)."""
    num_readers: int = 1
    """How many threads read validation's windows side by side."""
    strategy: Strategy = "single"
    world_size: int = 1
    """How many processes share the batch, and under `fsdp` the weights, too."""
    keeps_freed: bool = False
    """Whether the C library keeps what is freed, as it does for a small network on a CPU (`device.keep_freed_memory`): then more is held
    than is in use at once, as blocks of other sizes leave holes."""
    libraries: int = 0
    """Bytes that Python, PyTorch and the device's runtime take before there is a network."""

    @property
    def alone(self) -> bool:
        """Whether it takes steps as one that trains by itself: of a network that is dealt out it doesn't, even if it has all of it."""
        return self.world_size == 1 and self.strategy != "fsdp"


def rows_at_once(settings: TrainingSettings, world_size: int = 1) -> int:
    """How many rows of a batch one rank reads at once."""
    return math.ceil(settings.batch_size / settings.accumulation_steps / world_size)


def logits_bytes(config: TransformerConfig, num_predicted: int, rank: Rank, learns_projection: bool = True) -> int:
    """What the loss of so many tokens takes: some logits at a time in fp32 and in the products' format, on a GPU in that alone, and the
    gradients that are made with them, of the hidden states and of the output projection. Only NVIDIA's and AMD's cards have the kernel that
    keeps logarithms to itself; elsewhere they lie beside the logits, and so do these in fp32 if they are in another format."""
    every = num_predicted * config.vocab_size
    if every <= FEW_LOGITS:
        return 3 * FULL * every
    narrow = 0 if rank.product_bytes == FULL else rank.product_bytes
    projection = FULL * config.vocab_size * config.d_model if learns_projection else 0
    of_all = FULL * config.d_model * num_predicted + narrow * config.vocab_size * config.d_model
    if rank.device == "cpu":
        return of_all + (FULL + 2 * narrow) * min(every, LOGITS_AT_ONCE["cpu"]) + projection
    # In equal parts, of half as many where each has four bytes.
    parts = math.ceil(every / (2 * LOGITS_AT_ONCE[rank.device] // rank.product_bytes))
    at_once = math.ceil(every / parts)
    logarithms = FULL * (2 if narrow else 1) * min(at_once, LOGARITHMS) if rank.device == "mps" else 0
    before = min(1, parts - 1)  # whether there is a sum of the projection's gradients of the parts before
    most = max(logarithms + before * projection, (before + 1) * projection)
    return of_all + rank.product_bytes * at_once + most


def pairs_logits_bytes(
    config: TransformerConfig, num_predicted: int, rank: Rank, learns_projection: bool = True
) -> int:
    """The same on a GPU where pairs are compared (objectives/preference.py): as many logits at a time as on a CPU, computed again for their
    gradients; their logarithms, and the gradients of both, in fp32."""
    rows = max(1, LOGITS_AT_ONCE["cpu"] // config.vocab_size)
    narrow = 0 if rank.product_bytes == FULL else rank.product_bytes
    projection = FULL * config.vocab_size * config.d_model if learns_projection and num_predicted > rows else 0
    return (
        3 * FULL * min(num_predicted, rows) * config.vocab_size
        + narrow * config.vocab_size * config.d_model
        + projection
    )


def room_bytes(config: TransformerConfig, num_predicted: int, rank: Rank) -> int:
    """The room for logits that each thread keeps from one step to the next, on a CPU."""
    every = num_predicted * config.vocab_size
    return FULL * min(every, LOGITS_AT_ONCE["cpu"]) if rank.device == "cpu" and every > FEW_LOGITS else 0


def validation_logits_bytes(config: TransformerConfig, num_tokens: int, device: Device = "cpu") -> int:
    """Logits of some tokens, where nothing is learned: a slice of them, while those of the slice before are still there."""
    return FULL * min(num_tokens * config.vocab_size, 2 * VALIDATION_LOGITS[device])


def update_bytes(config: TransformerConfig, settings: TrainingSettings, rank: Rank, largest: int = 0) -> int:
    """What the optimizer makes on its way. Muon: every matrix's new momentum and update, and, in stacks, what is orthogonalized. AdamW,
    before it: nothing where it is fused, which it isn't on Apple's GPUs; there two copies of the parameter that it is at, of which
    `largest` is the largest's size."""
    adamw = 2 * FULL * largest if rank.device == "mps" else 0
    if settings.optimizer != "muon":
        return adamw
    matrices = matrix_parameters(config)
    return max(adamw, 2 * FULL * matrices + 3 * rank.product_bytes * matrices // 2)


def cache_bytes(config: TransformerConfig, num_rows: int, num_tokens: int, number_bytes: int = FULL) -> int:
    """Keys and values of so many texts of so many tokens."""
    return 2 * number_bytes * config.num_layers * config.num_kv_heads * config.head_dim * num_rows * num_tokens


def matrix_parameters(config: TransformerConfig) -> int:
    """Those of the blocks' matrices, which Muon trains."""
    query, key_value = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    attention = config.d_model * (2 * query + 2 * key_value)
    return config.num_layers * (attention + config.d_model * config.d_ff * (3 if config.gated else 2))


def narrow_parameters(config: TransformerConfig, settings: TrainingSettings, rank: Rank, adapted: bool) -> int:
    """Those whose copies in the products' format stay from step to step, and have the gradients (narrow_weights.py): the blocks' matrices,
    on a card, where AdamW trains all weights in one process, with one way back a step."""
    narrow = rank.device == "cuda" and rank.product_bytes < FULL and rank.alone and not adapted
    return matrix_parameters(config) if narrow and settings.optimizer == "adamw" and settings.steps_alike else 0


def optimizer_numbers(config: TransformerConfig, settings: TrainingSettings, trained: int) -> int:
    """Of AdamW two for each parameter, of Muon one."""
    if settings.optimizer != "muon" or settings.method == "lora":
        return 2 * trained
    return 2 * trained - matrix_parameters(config)


def gathered_bytes(config: TransformerConfig) -> int:
    """Under `fully_shard` the weights of two blocks, one at work and one on its way, and all outside of the blocks, are whole for a
    moment; they travel in fp32."""
    outside = (1 if config.tie_embeddings else 2) * config.vocab_size * config.d_model
    return FULL * (2 * matrix_parameters(config) // config.num_layers + outside)


def message_bytes(config: TransformerConfig, trained: int) -> int:
    """Gradients of several processes are summed some at a time (training/ranks.py): copies of a message's worth, or of the last that made
    it full."""
    return FULL * min(trained, MESSAGE // FULL + largest_parameter(config))


def largest_parameter(config: TransformerConfig) -> int:
    """Numbers of the largest: of the embeddings, or of what goes into the feed-forward part."""
    return config.d_model * max(config.vocab_size, config.d_ff * (2 if config.gated else 1))

"""How many bytes a network's blocks keep of each token: pure functions of its sizes. Imports no torch.

A block's activations are those that its gradients need (Korthikanti et al. 2022, Reducing Activation Recomputation in Large Transformer
Models, §4, count them for GPT's block on a GPU; ours differ by layout and format, and a test holds them to what autograd saves).
"""

from __future__ import annotations

from typing import Literal

from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import TransformerConfig

Device = Literal["cpu", "cuda", "mps"]
FULL = 4
"""Bytes of a number in fp32: weights, gradients, moments and, on a CPU, the residual stream."""
FEED_FORWARD_NAMES = (
    "gate_proj",
    "up_proj",
    "down_proj",
    "c_fc",
    "c_proj",
    "feed_forward.input",
    "feed_forward.output",
)
"""What the families call the matrices of the feed-forward network."""
QUERIES_AT_ONCE = 64
"""As in model/attention_with_dropout.py."""


def training_activation_bytes(
    config: TransformerConfig,
    num_tokens: int,
    row_length: int,
    product_bytes: int = FULL,
    *,
    device: Device = "cpu",
    compiled: bool = False,
    input_bytes: int = 0,
    lora: LoraSettings | None = None,
    stream_bytes: int = FULL,
) -> int:
    """What autograd keeps of `num_tokens` tokens in rows of `row_length`, logits aside.

    `stream_bytes`: of a number of the residual stream as the norms keep it. `compiled`: the network is, so that on a CPU, too, dropout
    draws from PyTorch's generator and not from the threads' own. `input_bytes`: each block keeps its input alone, in numbers of so many
    bytes, and is computed again on its way back, which needs `block_activation_bytes` beside. `lora`: the weights are frozen, so inputs
    are kept for the narrow matrices alone.
    """
    block = block_activation_bytes(
        config, row_length, product_bytes, device=device, compiled=compiled, lora=lora, stream_bytes=stream_bytes
    )
    of_a_block = input_bytes * config.d_model or block
    return round(num_tokens * (config.num_layers * of_a_block + end_activation_bytes(config, stream_bytes)))


def end_activation_bytes(config: TransformerConfig, stream_bytes: int = FULL) -> int:
    """What autograd keeps of one token before the first block and behind the last, whose way back is the first to be through."""
    streams = 2 + (1 if config.norm == "rmsnorm" else 0) + (1 if config.dropout else 0)
    return streams * stream_bytes * config.d_model


def block_activation_bytes(
    config: TransformerConfig,
    row_length: int,
    product_bytes: int = FULL,
    *,
    device: Device = "cpu",
    compiled: bool = False,
    lora: LoraSettings | None = None,
    stream_bytes: int = FULL,
) -> float:
    """What autograd keeps of one token in one block, in rows of `row_length` tokens."""
    width, narrow = config.d_model, product_bytes
    query = config.num_heads * config.head_dim
    # Both norms: their input, which is the residual stream, one or two numbers a token, and, for the gain of a root-mean-square one, what
    # it acts on.
    kept: float = stream_bytes * 2 * width + 2 * FULL * (2 if config.norm == "layernorm" else 1)
    if config.norm == "rmsnorm" and lora is None:
        kept += stream_bytes * 2 * width
    # What the four linear layers read: the norms' outputs, the heads' mix, the activation's. Frozen ones need none of it.
    read = width + query + (width + config.d_ff if lora is None or _adapts_feed_forward(lora) else 0)
    kept += narrow * read + (2 * read if lora is not None and lora.dropout else 0)
    kept += _attention_bytes(config, row_length, narrow, device, compiled, gains_learn=lora is None)
    if config.gated:  # gate and up, and the activated gate
        kept += narrow * 3 * config.d_ff
    elif config.activation != "relu":  # which needs its output alone
        kept += narrow * config.d_ff
    if config.dropout:
        mask = 1 if device == "cuda" or (device == "cpu" and compiled) else narrow
        kept += 2 * mask * width
        if config.preset == "classic":
            kept += (mask + (narrow if config.activation == "relu" else 0)) * config.d_ff
    return kept


def way_back_bytes(config: TransformerConfig, product_bytes: int, lora: LoraSettings | None, stream_bytes: int) -> int:
    """What the way back through one block makes of one token beside what is kept: gradients of the stream, and of what the feed-forward
    part computes, where the gates' have to be there at once."""
    reads_its_input_again = lora is None or _adapts_feed_forward(lora)  # which is gone when the second gradient comes
    gradients = (2 if config.gated else 1) + (0 if reads_its_input_again else 1)
    return 2 * stream_bytes * config.d_model + product_bytes * gradients * config.d_ff


def _adapts_feed_forward(lora: LoraSettings) -> bool:
    """Whether the feed-forward matrices have narrow ones beside them, too."""
    targets = (lora.targets,) if isinstance(lora.targets, str) else lora.targets
    return any(each == "all-linear" or each.endswith(FEED_FORWARD_NAMES) for each in targets)


def _attention_bytes(
    config: TransformerConfig, row_length: int, narrow: int, device: Device, compiled: bool, gains_learn: bool
) -> float:
    """Queries, keys and values on their ways, and what the attention keeps of its scores, a token."""
    query, key_value = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    own_generator = device == "cpu" and not compiled
    fused, kept = query + 2 * key_value, 0.0
    grouped, rotated = key_value != query, config.position == "rope"
    if config.qk_norm:  # their inputs, what their gains act on, and a root mean square a head
        kept += FULL * fused if narrow == FULL else FULL * (query + key_value)
        kept += FULL * (query + key_value) if gains_learn else 0
        kept += FULL * (config.num_heads + config.num_kv_heads)
    if device == "mps":
        return kept + _plain_attention_bytes(config, row_length, query)
    if config.dropout and own_generator:
        seen = row_length if config.sliding_window else _keys_seen(row_length)
        return kept + narrow * 3 * query + (FULL + 2) * config.num_heads * seen
    logsumexp = FULL * config.num_heads
    if narrow != FULL and own_generator:  # on a CPU the attention is computed in fp32, of copies
        return kept + FULL * 4 * query + logsumexp
    if not rotated and not grouped and not config.qk_norm:
        return kept + narrow * fused + logsumexp
    if grouped:
        return kept + narrow * 3 * query + logsumexp
    return kept + narrow * 2 * query + (0 if config.qk_norm and narrow == FULL else narrow * fused) + logsumexp


def _plain_attention_bytes(config: TransformerConfig, row_length: int, query: int) -> float:
    """Where PyTorch has no fused attention that learns, as on Apple's GPUs: copies of queries, keys and values for the products, in fp32,
    and of every head the probabilities of all keys, seen or not; with dropout what it multiplies them with, and what comes of it, too."""
    matrices = 3 if config.dropout else 1
    return FULL * (3 * query + matrices * config.num_heads * row_length)


def _keys_seen(row_length: int) -> float:
    """Of how many keys a query's scores are kept, on the mean: for some queries at a time, all keys up to the last of them."""
    blocks, rest = divmod(row_length, QUERIES_AT_ONCE)
    return (QUERIES_AT_ONCE**2 * blocks * (blocks + 1) / 2 + rest * row_length) / row_length


def inference_activation_bytes(
    config: TransformerConfig, num_tokens: int, row_length: int = 0, product_bytes: int = FULL, device: Device = "cpu"
) -> int:
    """The most that is there at once where nothing is learned: the stream as it came to a block, as it is within, and what a norm ahead of
    the feed-forward part makes of it, beside one block's widest products. Of rows of `row_length` tokens Apple's GPUs have the
    probabilities of all keys there."""
    streams = 3 if config.norm_position == "pre" else 2
    query, key_value = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    probabilities = config.num_heads * row_length if device == "mps" else 0
    attention = query + 2 * key_value + 3 * query + probabilities
    feed_forward = config.d_ff * (4 if config.gated else 2)
    return num_tokens * (streams * FULL * config.d_model + product_bytes * max(attention, feed_forward))

"""Exact counts: parameters by part, and floating-point operations of a forward pass. Imports no torch."""

from __future__ import annotations

from groundup.model.settings import TransformerConfig


def parameter_counts(config: TransformerConfig) -> dict[str, int]:
    """Trainable parameters by part, and their `total`; a tied output projection counts once, as embedding."""
    query_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    attention = config.d_model * (query_width + 2 * kv_width) + query_width * config.d_model
    attention += (query_width + 2 * kv_width) * config.qkv_bias + config.d_model * config.attention_output_bias
    attention += 2 * config.head_dim * config.qk_norm
    inner = config.d_ff * (2 if config.gated else 1)
    feed_forward = config.d_model * inner + config.d_ff * config.d_model
    feed_forward += (inner + config.d_model) * config.mlp_bias
    norm = config.d_model * (2 if config.norm == "layernorm" else 1)
    counts = {
        "token_embedding": config.vocab_size * config.d_model,
        "position_embedding": config.max_seq_len * config.d_model if config.position == "learned" else 0,
        "attention": config.num_layers * attention,
        "feed_forward": config.num_layers * feed_forward,
        "norms": (2 * config.num_layers + 1) * norm,
        "output_projection": (0 if config.tie_embeddings else config.vocab_size * config.d_model)
        + config.vocab_size * config.output_bias,
    }
    return {**counts, "total": sum(counts.values())}


def forward_flops(
    config: TransformerConfig, num_tokens: int, sequence_length: int, num_predicted: int | None = None
) -> int:
    """Floating-point operations of the matrix products that read `num_tokens` tokens in sequences of `sequence_length`.

    `num_predicted`: how many tokens the output projection is computed for; all, by default. A multiply-add counts as two.
    Attention counts the whole T × T matrix, masked half included, as is usual
    (Chowdhery et al. 2022, PaLM, appendix B) and as `torch.utils.flop_counter` does. Elementwise work is left out.
    """
    attention = attention_flops(config, num_tokens, sequence_length)
    query_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    matrices = config.d_model * (query_width + 2 * kv_width) + query_width * config.d_model
    matrices += config.d_ff * config.d_model * (3 if config.gated else 2)
    blocks = 2 * num_tokens * config.num_layers * matrices
    predicted = num_tokens if num_predicted is None else num_predicted
    return blocks + attention + 2 * predicted * config.vocab_size * config.d_model


def attention_flops(config: TransformerConfig, num_tokens: int, sequence_length: int) -> int:
    """The part of `forward_flops` that multiplies activations with each other: scores, then their mix of the values."""
    return 2 * num_tokens * config.num_layers * 2 * sequence_length * config.num_heads * config.head_dim


def training_flops(
    config: TransformerConfig,
    num_tokens: int,
    sequence_length: int,
    num_predicted: int | None = None,
    adapter_parameters: int | None = None,
) -> int:
    """Forward and backward: three times the forward pass (each product's backward is two products of its size).

    With `adapter_parameters`, matrices beside frozen weights: a frozen weight's backward is one product, its input's
    gradient; adapters have both, and attention has no weights. The gradient of the first layer's input, which nothing
    needs, is counted as the others' are: too much by less than a layer's part.
    """
    forward = forward_flops(config, num_tokens, sequence_length, num_predicted)
    if adapter_parameters is None:
        return 3 * forward
    return 2 * forward + attention_flops(config, num_tokens, sequence_length) + 6 * num_tokens * adapter_parameters

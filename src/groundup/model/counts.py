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


def forward_flops(config: TransformerConfig, num_tokens: int, sequence_length: int) -> int:
    """Floating-point operations of the matrix products that read `num_tokens` tokens in sequences of `sequence_length`.

    A multiply-add counts as two. Attention counts the whole T × T matrix, masked half included, as is usual
    (Chowdhery et al. 2022, PaLM, appendix B) and as `torch.utils.flop_counter` does. Elementwise work is left out.
    """
    query_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    matrices = config.d_model * (query_width + 2 * kv_width) + query_width * config.d_model
    matrices += config.d_ff * config.d_model * (3 if config.gated else 2)
    attention = 2 * sequence_length * query_width  # scores, then their mix of the values
    return 2 * num_tokens * (config.num_layers * (matrices + attention) + config.vocab_size * config.d_model)


def training_flops(config: TransformerConfig, num_tokens: int, sequence_length: int) -> int:
    """Forward and backward: three times the forward pass (each product's backward is two products of its size)."""
    return 3 * forward_flops(config, num_tokens, sequence_length)

"""The tables of the Hugging Face families: which of their settings and modules is which of ours. Imports no torch.

A family is one `Family`: the keys of its config.json beside our fields, its activations beside ours, its modules beside
ours. `families` reads these tables in both directions; adding a family starts here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from groundup.model.family_keys import Key


@dataclass(frozen=True)
class Family:
    """One stock class: the keys of its config, the names of its activations, and its modules beside ours."""

    architecture: str
    base: str  # the class without the output projection
    keys: Mapping[str, Key]  # by our field's name
    activations: Mapping[str, str]  # ours: theirs, as it is written
    prefix: str  # before the name of every tensor but the output projection's
    top: Mapping[str, str]  # modules outside the blocks, ours: theirs
    layers: str  # their list of blocks
    block: Mapping[str, tuple[str, ...]]  # modules of a block, ours: theirs (several where ours fuses them)
    transposed: bool = False  # matrices of a block are stored (in, out)
    fixed: Mapping[str, object] = field(default_factory=dict)  # keys with the one value that our network has
    other_names: Mapping[str, str] = field(default_factory=dict)  # keys that the stock class takes under a second name


LLAMA_KEYS = {
    "vocab_size": Key("vocab_size", int),
    "d_model": Key("hidden_size", int),
    "num_layers": Key("num_hidden_layers", int),
    "num_heads": Key("num_attention_heads", int),
    "num_kv_heads": Key("num_key_value_heads", int, None),
    "head_dim": Key("head_dim", int, None),
    "d_ff": Key("intermediate_size", int),
    "max_seq_len": Key("max_position_embeddings", int),
    "dropout": Key("attention_dropout", float, 0.0),
    "norm_eps": Key("rms_norm_eps", float, 1e-6),
    "activation": Key("hidden_act", str, "silu"),
    "tie_embeddings": Key("tie_word_embeddings", bool, False),
    "init_std": Key("initializer_range", float, 0.02),
}
LLAMA_ACTIVATIONS = {"reglu": "relu", "geglu": "gelu", "geglu_tanh": "gelu_pytorch_tanh", "swiglu": "silu"}
LLAMA_TOP = {"token_embedding": "model.embed_tokens", "final_norm": "model.norm", "output_projection": "lm_head"}
LLAMA_BLOCK = {
    "attention_norm": ("input_layernorm",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.output": ("self_attn.o_proj",),
    "feed_forward_norm": ("post_attention_layernorm",),
    "feed_forward.input": ("mlp.gate_proj", "mlp.up_proj"),
    "feed_forward.output": ("mlp.down_proj",),
}


def _like_llama(
    name: str,
    keys: Mapping[str, Key] | None = None,
    block: Mapping[str, tuple[str, ...]] | None = None,
    fixed: Mapping[str, object] | None = None,
) -> Family:
    """A family laid out as Llama's; what it has otherwise, or besides."""
    return Family(
        architecture=f"{name}ForCausalLM",
        base=f"{name}Model",
        keys={**LLAMA_KEYS, **(keys or {})},
        activations=LLAMA_ACTIVATIONS,
        prefix="model.",
        top=LLAMA_TOP,
        layers="layers",
        block={**LLAMA_BLOCK, **(block or {})},
        fixed=fixed or {},
    )


FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        architecture="GPT2LMHeadModel",
        base="GPT2Model",
        keys={
            "vocab_size": Key("vocab_size", int),
            "d_model": Key("n_embd", int),
            "num_layers": Key("n_layer", int),
            "num_heads": Key("n_head", int),
            "d_ff": Key("n_inner", int, None),
            "max_seq_len": Key("n_positions", int),
            "dropout": Key("resid_pdrop", float, 0.1),
            "norm_eps": Key("layer_norm_epsilon", float, 1e-5),
            "activation": Key("activation_function", str, "gelu_new"),
            "tie_embeddings": Key("tie_word_embeddings", bool, True),
            "init_std": Key("initializer_range", float, 0.02),
        },
        activations={"relu": "relu", "gelu": "gelu", "gelu_tanh": "gelu_new", "silu": "silu"},
        prefix="transformer.",
        top={
            "token_embedding": "transformer.wte",
            "position_embedding": "transformer.wpe",
            "final_norm": "transformer.ln_f",
            "output_projection": "lm_head",
        },
        layers="h",
        block={
            "attention_norm": ("ln_1",),
            "attention.qkv": ("attn.c_attn",),
            "attention.output": ("attn.c_proj",),
            "feed_forward_norm": ("ln_2",),
            "feed_forward.input": ("mlp.c_fc",),
            "feed_forward.output": ("mlp.c_proj",),
        },
        transposed=True,
        fixed={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "sliding_window": None},
        other_names={
            "hidden_size": "n_embd",
            "max_position_embeddings": "n_positions",
            "num_attention_heads": "n_head",
            "num_hidden_layers": "n_layer",
        },
    ),
    "llama": _like_llama("Llama", fixed={"sliding_window": None}),
    "mistral": _like_llama("Mistral", {"num_kv_heads": Key("num_key_value_heads", int, 8)}),
    "qwen2": _like_llama("Qwen2", {"num_kv_heads": Key("num_key_value_heads", int, 32)}),
    "qwen3": _like_llama(
        "Qwen3",
        {"num_kv_heads": Key("num_key_value_heads", int, 32), "head_dim": Key("head_dim", int, 128)},
        {"attention.query_norm": ("self_attn.q_norm",), "attention.key_norm": ("self_attn.k_norm",)},
    ),
}

# Other spellings of the activations above; the same functions, to rounding.
ACTIVATION_SPELLINGS = {
    "gelu_python": "gelu",
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "silu",
}

# Keys of any family that change the maths, and the values under which they don't.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "add_cross_attention": (False, None),
    "attention_chunk_size": (None,),
    "attention_multiplier": (None,),
    "attn_logit_softcapping": (None,),
    "embedding_multiplier": (None, 1),
    "final_logit_softcapping": (None,),
    "is_causal": (True, None),
    "is_encoder_decoder": (False, None),
    "kv_sharing_modes": (None,),
    "logit_scale": (None, 1),
    "logits_scaling": (None, 1),
    "original_max_position_embeddings": (None,),
    "n_routed_experts": (None, 0),
    "num_experts": (None, 0),
    "num_local_experts": (None, 0),
    "partial_rotary_factor": (None, 1),
    "per_layer_config": (None, {}),
    "pruned_heads": (None, {}),
    "quantization_config": (None,),
    "query_pre_attn_scalar": (None,),
    "residual_multiplier": (None, 1),
    "rope_interleaved": (None, False),
}

# Buffers that older directories carry: a causal mask, the rotary wavelengths. Both follow from the config.
BUFFERS = re.compile(r"\.attn\.(masked_)?bias$|\.rotary_emb\.inv_freq$")

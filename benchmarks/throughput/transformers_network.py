"""transformers' GPT-2 of a shape."""

from __future__ import annotations

from typing import Any

from transformers import GPT2Config, GPT2LMHeadModel


def gpt2(shape: dict[str, Any]) -> Any:
    drop = shape["dropout"]
    config = GPT2Config(
        vocab_size=shape["vocab_size"],
        n_positions=shape["context"],
        n_embd=shape["d_model"],
        n_layer=shape["num_layers"],
        n_head=shape["num_heads"],
        resid_pdrop=drop,
        embd_pdrop=drop,
        attn_pdrop=drop,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).train()

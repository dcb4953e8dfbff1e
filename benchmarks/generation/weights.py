"""The model that every contender generates from: random weights in GPT-2's layout, as a Hugging Face directory.

Fresh weights would repeat one token for ever, and any wrong model that does so would look right. So the matrices are drawn
wider: each next token then depends on all before it, and equal tokens mean an equal model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from benchmarks.generation.token_text import token_text

from groundup.model.directory import save_model
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer


@dataclass(frozen=True)
class Shape:
    """A network, and how much of it a round generates."""

    title: str
    network: dict[str, Any]
    new_tokens: int
    rounds: dict[int, int]
    """Rounds for each batch size."""


SHAPES = {
    "characters": Shape(
        "character model (4 layers, width 128)",
        {"vocab_size": 65, "d_model": 128, "num_layers": 4, "num_heads": 4, "max_seq_len": 256},
        new_tokens=128,
        rounds={1: 9, 16: 7},
    ),
    "124M": Shape(
        "GPT-2's 124M shape (12 layers, width 768)",
        {"vocab_size": 50257, "d_model": 768, "num_layers": 12, "num_heads": 12, "max_seq_len": 1024},
        new_tokens=64,
        rounds={1: 5, 16: 3},
    ),
}
PROMPT_TOKENS = 8


def make_model(shape: Shape, folder: Path) -> None:
    """Write config, weights and a tokenizer (which the converters ask for) into a folder."""
    torch.manual_seed(0)
    config = preset_config("gpt2", **shape.network, initialization="normal")
    model = Transformer(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embedding" not in name and weight.ndim == 2:
                weight.normal_(0, 1.5 * weight.shape[1] ** -0.5)
    end = config.vocab_size - 1
    save_model(model, folder, end_id=end, pad_id=end)
    vocabulary = {token_text(number): number for number in range(config.vocab_size)}
    unused = dict.fromkeys(("normalizer", "post_processor", "decoder", "truncation", "padding"))
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        **unused,
    }
    tokenizer["model"] = {"type": "WordLevel", "vocab": vocabulary, "unk_token": token_text(0)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": token_text(0)}
    names |= {"bos_token": token_text(end), "eos_token": token_text(end)}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf-8")


def prompts(batch: int, vocab_size: int) -> list[list[int]]:
    """A different prompt for each row."""
    return [[(97 * row + 13 * place + 1) % (vocab_size - 1) for place in range(PROMPT_TOKENS)] for row in range(batch)]

"""What is measured: three networks, and for each the ways to save memory, or to spend it, that a recipe can ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Size:
    """A network, the rows of a step, and how much of it there is time for on a CPU."""

    preset: str
    shape: dict[str, Any]
    batch_size: int
    steps: int
    rounds: int


@dataclass(frozen=True)
class Way:
    """What a training does otherwise than the plain one: AdamW in fp32, all weights, the loss of so many tokens at a time."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Of the [training] section."""
    rows: int = 1
    """How many times as many rows there are in a step."""
    loss: str = "ours"
    """ours; whole: of all logits at once; pytorch: `F.linear_cross_entropy` in chunks."""
    lora: bool = False


SIZES = {
    "shakespeare": Size(
        "qwen3",
        {"vocab_size": 65, "d_model": 128, "num_layers": 3, "num_heads": 2, "max_seq_len": 128},
        batch_size=8,
        steps=10,
        rounds=9,
    ),
    "30M": Size(
        "qwen3",
        {"vocab_size": 8192, "d_model": 512, "num_layers": 8, "num_heads": 8, "max_seq_len": 256},
        batch_size=4,
        steps=1,
        rounds=5,
    ),
    "124M": Size(
        "gpt2",
        {"vocab_size": 50257, "d_model": 768, "num_layers": 12, "num_heads": 12, "max_seq_len": 256},
        batch_size=4,
        steps=1,
        rounds=2,
    ),
}
PLAIN = "plain"
WAYS = {
    "activations computed twice": Way({"activation_checkpointing": True}),
    "all logits at once": Way(loss="whole"),
    "PyTorch's `linear_cross_entropy`": Way(loss="pytorch"),
    "2 parts": Way({"accumulation_steps": 2}),
    "4 parts": Way({"accumulation_steps": 4}),
    "twice the rows": Way(rows=2),
    "Muon": Way({"optimizer": "muon"}),
    "LoRA of rank 16": Way(lora=True),
    "bf16": Way({"precision": "bf16"}),
    "fp16": Way({"precision": "fp16"}),
    "compiled": Way({"compile": True}),
}

"""Sliding windows of attention in a Hugging Face config.json, there and back. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundup.model.family_keys import Key, read_key, refusal
from groundup.model.settings import TransformerConfig

FULL, WINDOWED = "full_attention", "sliding_attention"
MISTRAL_WINDOW = QWEN_WINDOW = 4096  # where a config doesn't say it
QWEN_FIRST_LAYER = 28
QWEN = ("qwen2", "qwen3")


def write_windows(config: TransformerConfig) -> dict[str, Any]:
    """The keys that say which layers look how far back."""
    window, first = config.sliding_window, config.first_windowed_layer
    if config.preset == "llama":
        return {}
    if config.preset == "mistral":
        return {"sliding_window": window or None}
    if not window:
        return {"use_sliding_window": False}
    layers = [FULL] * first + [WINDOWED] * (config.num_layers - first)
    return {"use_sliding_window": True, "sliding_window": window, "max_window_layers": first, "layer_types": layers}


def read_windows(family: str, num_layers: int, hf_config: Mapping[str, Any]) -> tuple[int, int]:
    """The window, 0 for none, and the first layer that has it. Raises `ModelError` for windows laid out otherwise."""
    kinds = hf_config.get("layer_types")
    if family not in QWEN:
        if kinds is not None and kinds != [FULL] * num_layers:
            raise refusal("layer_types", kinds, f"supported: {FULL!r} in every layer")
        if family == "llama":
            return 0, 0
        return read_key(Key("sliding_window", int, MISTRAL_WINDOW), hf_config), 0
    window = 0
    if read_key(Key("use_sliding_window", bool, False), hf_config):
        window = read_key(Key("sliding_window", int, QWEN_WINDOW), hf_config)
    first = hf_config.get("max_window_layers", QWEN_FIRST_LAYER)
    if isinstance(first, bool) or not isinstance(first, int) or first < 0:
        raise refusal("max_window_layers", first, "this should be a whole number of at least 0")
    if kinds is not None:
        full = kinds.count(FULL) if isinstance(kinds, list) else 0
        first = full if window or full < num_layers else first
        if kinds != [FULL] * full + [WINDOWED] * (num_layers - full) or (full < num_layers and not window):
            raise refusal(
                "layer_types",
                kinds,
                f"supported: {FULL!r} in the lower layers, then {WINDOWED!r} in all above them, with use_sliding_window",
            )
    return (window, first) if window and first < num_layers else (0, 0)

"""How far each kind of export may be from the model that it was made of. `docs/exports.md` says where the numbers come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """What one way to run a model may differ by from its training graph. Infinity bounds nothing."""

    max_error: float
    """The largest difference of a log-probability, in nats, over the vocabulary and all places."""
    kl: float
    """The mean over the places of KL(model ‖ export), in nats."""
    perplexity: float
    """The change of the perplexity, as a share of the model's."""


NO_BOUND = float("inf")
SAME_NUMBERS = Bound(1e-3, 1e-6, 1e-4)
"""fp32 in another order of the same sums."""
LLAMA_CPP = Bound(0.05, 1e-4, 2e-3)
"""fp32 weights in llama.cpp, which rounds some activations to half precision."""
BOUNDS: dict[tuple[str, str], Bound] = {
    ("hf", "float32"): SAME_NUMBERS,
    ("hf", "float16"): Bound(0.05, 1e-4, 2e-3),
    ("hf", "bfloat16"): Bound(0.5, 1e-2, 2e-2),
    ("onnx", "float32"): SAME_NUMBERS,
    ("onnx", "int8"): Bound(NO_BOUND, 1e-2, 1e-2),
    ("onnx", "int4"): Bound(NO_BOUND, 0.2, 0.15),
    ("gguf", "float32"): LLAMA_CPP,
    ("gguf", "float16"): LLAMA_CPP,
    ("gguf", "int8"): Bound(NO_BOUND, 1e-2, 1e-2),
    ("gguf", "int4"): Bound(NO_BOUND, 0.2, 0.15),
}
"""By form and number format."""

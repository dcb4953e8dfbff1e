"""How much each number that goes into a matrix matters: its mean square, which is what a rounding error of its weight is multiplied by.

For an error e of a row of weights and inputs x the row's output is off by e·x; of inputs that hang together little, the mean of its
square is Σ eᵢ² · mean(xᵢ²) (as in llama.cpp's importance matrices; Frantar et al. 2022, GPTQ, §3, has the whole matrix of products).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from groundup.exports.quantize import Array
from groundup.generation.forward import evaluating
from groundup.model.transformer import Transformer

ROWS, LENGTH = 8, 64  # of random tokens: a model's own writing tells hardly more (docs/onnx.md)


def input_squares(model: Transformer) -> dict[str, Array]:
    """Of each matrix (N, K) in the layers, by its name in `state_dict`: the mean squares (K,) of what goes in, over random tokens."""
    config, device = model.config, model.token_embedding.weight.device
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(config.vocab_size, (ROWS, min(LENGTH, config.max_seq_len)), generator=random).to(device)
    squares: dict[str, Array] = {}

    def watch(name: str) -> Any:
        def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            squares[name] = inputs[0].float().square().flatten(0, -2).mean(0).cpu().numpy()

        return before

    layers = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    watched = [
        part.register_forward_pre_hook(watch(f"{name}.weight")) for name, part in layers if name.startswith("blocks.")
    ]
    try:
        with evaluating(model):
            model.hidden_states(ids)
    finally:
        for each in watched:
            each.remove()
    return squares

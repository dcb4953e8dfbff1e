"""The network's tensors as the ONNX graphs take them: NumPy arrays that share the model's memory, or quantized matrices."""

from __future__ import annotations

import torch

from groundup.exports.importance import input_squares
from groundup.exports.onnx_nodes import Weights
from groundup.exports.quantize import BITS, Array, Quantize, QuantizedMatrix, quantize_matrix
from groundup.model.transformer import Transformer


def graph_weights(model: Transformer, quantize: Quantize = "") -> Weights:
    """Every tensor by its name in `state_dict`; tied embeddings once, under the token embedding's name.

    Quantized are all matrices of all layers, the token embedding and the projection to the vocabulary; the last two to 8 bits even where
    the rest has 4, since every token's score passes through them. Norms, biases and learned positions stay as they are.
    """
    weights: dict[str, Array | QuantizedMatrix] = {}
    importance = input_squares(model) if quantize == "int4" else {}
    for name, parameter in model.named_parameters():  # names a shared tensor once
        array = parameter.detach().to("cpu", torch.float32).numpy()
        if quantize and array.ndim == 2 and not name.startswith("position_embedding"):
            bits = BITS[quantize] if name.startswith("blocks.") else 8
            weights[name] = quantize_matrix(array, bits, importance.get(name))
        else:
            weights[name] = array
    return weights

"""GPT-2 as an ONNX graph with a key/value cache, written by hand from a Hugging Face directory: model.onnx and model-int8.onnx.

By hand, so that it takes seconds and needs no PyTorch. `Attention` (opset 23) takes the keys and values of the past and gives them
back with the new ones. Only the last token's logits are computed.

Shapes: B rows, T new tokens, S tokens in all, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.generation.task import MODEL, config
from onnx import (
    TensorProto,
    helper,
    numpy_helper,
    save_model,
)
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file

C = config()
HEADS, LAYERS, EPSILON = C["n_head"], C["n_layer"], C["layer_norm_epsilon"]
weights = load_file(MODEL / "model.safetensors")
nodes: list[Any] = []
stored: dict[str, Any] = {}


def node(operator: str, inputs: list[str], output: str, **attributes: object) -> str:
    nodes.append(helper.make_node(operator, inputs, [output], **attributes))
    return output


def constant(name: str, values: np.ndarray) -> str:
    stored[name] = numpy_helper.from_array(values, name)
    return name


def weight(name: str) -> str:
    return constant(name, weights[f"transformer.{name}"])


def norm(x: str, name: str) -> str:
    inputs = [x, weight(f"{name}.weight"), weight(f"{name}.bias")]
    return node("LayerNormalization", inputs, f"{name}.out", epsilon=EPSILON)


def linear(x: str, name: str) -> str:
    product = node("MatMul", [x, weight(f"{name}.weight")], f"{name}.product")
    return node("Add", [product, weight(f"{name}.bias")], f"{name}.out")


def block(x: str, layer: int) -> str:
    """(B, T, D) to (B, T, D)."""
    name = f"h.{layer}"
    projected = linear(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn")
    query, key, value = (f"{name}.{part}" for part in ("query", "key", "value"))
    nodes.append(helper.make_node("Split", [projected], [query, key, value], axis=-1, num_outputs=3))
    inputs = [query, key, value, "mask", f"past_key_{layer}", f"past_value_{layer}"]
    outputs = [f"{name}.attended", f"key_{layer}", f"value_{layer}"]
    nodes.append(helper.make_node("Attention", inputs, outputs, q_num_heads=HEADS, kv_num_heads=HEADS))
    x = node("Add", [x, linear(outputs[0], f"{name}.attn.c_proj")], f"{name}.middle")
    inner = node("Gelu", [linear(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")], f"{name}.inner", approximate="tanh")
    return node("Add", [x, linear(inner, f"{name}.mlp.c_proj")], f"{name}.sum")


def cache(prefix: str, length: str) -> list[object]:
    size = ["B", HEADS, length, C["n_embd"] // HEADS]
    names = [f"{prefix}{kind}_{layer}" for layer in range(LAYERS) for kind in ("key", "value")]
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name in names]


tokens = node("Gather", [weight("wte.weight"), "ids"], "tokens")  # (B, T, D)
places = node("Gather", [weight("wpe.weight"), "places"], "placed")  # (T, D)
x = node("Add", [tokens, places], "embedded")
for layer in range(LAYERS):
    x = block(x, layer)
last = node("Gather", [norm(x, "ln_f"), constant("newest", np.array(-1))], "last", axis=1)  # (B, D)
node(
    "MatMul", [last, constant("output", np.ascontiguousarray(weights["transformer.wte.weight"].T))], "logits"
)  # (B, V)

inputs = [
    helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", "T"]),
    helper.make_tensor_value_info("places", TensorProto.INT64, ["T"]),
    helper.make_tensor_value_info("mask", TensorProto.BOOL, ["T", "S"]),
    *cache("past_", "P"),
]
outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", C["vocab_size"]]), *cache("", "S")]
graph = helper.make_graph(nodes, "gpt2", inputs, outputs, list(stored.values()))
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
path = MODEL / "model.onnx"
save_model(model, path, save_as_external_data=True, location="model.onnx.data")  # which ONNX Runtime maps into memory
quantize_dynamic(path, MODEL / "model-int8.onnx", ["MatMul"], per_channel=True, weight_type=QuantType.QInt8)

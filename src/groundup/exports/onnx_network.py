"""Our network as an ONNX graph, with the keys and values of what was read going in and coming out.

Two graphs of the same tensors:

- the portable one, in standard operators of opset 17 (but for quantized matrices, which are ONNX Runtime's `MatMulNBits`), with the
  names that Optimum and transformers.js look for: `input_ids`, `attention_mask`, `position_ids`, `past_key_values.0.key` → `logits`,
  `present.0.key`. It copies its cache at each step;
- the engine's, in ONNX Runtime's own operators: it writes into our `KVCache` in place, and gives the last token's logits only.

Shapes, at the line ends: B batch, T new tokens, P past tokens, S = P + T, N = B·T, D d_model, H query heads, G key/value heads,
R = H/G, K head_dim, M the cache's room, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from groundup.exports.onnx_nodes import MICROSOFT, Graph, Weights
from groundup.exports.onnx_runtime import import_onnx
from groundup.model.rotary import for_both_halves, rotary_table
from groundup.model.settings import TransformerConfig

PORTABLE_OPSET, PORTABLE_IR = 17, 8
ENGINE_OPSET, ENGINE_IR = 21, 10
MASKED = -1e30  # finite, so that a row of padding, which sees nothing, is no NaN

Attend = Callable[[str, int], str]
"""Queries, keys and values (N, (H + 2G)·K) of a layer, mixed: (N, H·K)."""


def portable_graph(config: TransformerConfig, weights: Weights) -> tuple[Any, Graph]:
    """The portable graph, whose large constants are still to be put somewhere, and what they are.

    `input_ids` (B, T), `attention_mask` (B, S), 0 where padding stands, `position_ids` (B, T), `past_key_values.i.key` and `.value`
    (B, G, P, K) → `logits` (B, T, V), `present.i.key` and `.value` (B, G, S, K).
    """
    graph = Graph(weights, fused=False)
    batch = graph.one("Shape", ["input_ids"], "batch")  # [B, T]
    by_token = graph.one("Concat", [batch, graph.constant("rest", [-1])], "by_token", axis=0)  # [B, T, -1]
    attend = _portable_attention(graph, config)
    x = _decoder(graph, config, "input_ids", "position_ids", attend, "")
    graph.reshape(_head(graph, config, x), by_token, "logits")  # (B, T, V)
    whole, real = _value("int64"), _value("float32")
    inputs = [whole("input_ids", "batch", "new"), whole("attention_mask", "batch", "all")]
    inputs += [whole("position_ids", "batch", "new"), *_cache(config, "past_key_values.{}.{}", "past")]
    outputs = [real("logits", "batch", "new", config.vocab_size), *_cache(config, "present.{}.{}", "all")]
    return _model(graph, inputs, outputs, PORTABLE_OPSET, PORTABLE_IR), graph


def engine_graph(config: TransformerConfig, weights: Weights) -> tuple[Any, Graph]:
    """The engine's graph, and its large constants.

    `ids` and `places` (B, T), `held` (B,): tokens held after this step, less one, `new` (B,): T for each row, `most`: the most tokens
    that a row holds after this step, `past_i.key` and `.value` (B, G, M, K) → `logits` (B, V), `cache_i.key` and `.value` in the same
    memory. For networks that `fits_engine` says yes to.
    """
    graph = Graph(weights, fused=True)
    batch = graph.one("Shape", ["ids"], "batch")  # [B, T]
    by_token = graph.one("Concat", [batch, graph.constant("rest", [-1])], "by_token", axis=0)  # [B, T, -1]
    attend = _engine_attention(graph, config, by_token)
    x = _decoder(graph, config, "ids", "places", attend, by_token)
    graph.one("Identity", [_head(graph, config, x)], "logits")  # (B, V)
    whole, short, real = _value("int64"), _value("int32"), _value("float32")
    inputs = [whole("ids", "batch", "new_tokens"), short("held", "batch"), short("new", "batch"), short("most")]
    if config.position == "learned":
        inputs.append(whole("places", "batch", "new_tokens"))
    inputs += _cache(config, "past_{}.{}", "room")
    outputs = [real("logits", "batch", config.vocab_size), *_cache(config, "cache_{}.{}", "room")]
    return _model(graph, inputs, outputs, ENGINE_OPSET, ENGINE_IR), graph


def fits_engine(config: TransformerConfig) -> bool:
    """Whether ONNX Runtime's attention takes heads of this size."""
    return config.head_dim % (16 if config.position == "rope" else 8) == 0


def _decoder(graph: Graph, config: TransformerConfig, ids: str, places: str, attend: Attend, last_of: str) -> str:
    """The last layer's normalized output (N, D); only each row's last, (B, D), with the shape `last_of` = [B, T, -1]."""
    flat = graph.reshape(ids, [-1], "flat_ids")
    x = graph.embedding(flat, "token_embedding")  # (N, D)
    if config.position == "learned":
        flat_places = graph.reshape(places, [-1], "flat_places")
        x = graph.one("Add", [x, graph.embedding(flat_places, "position_embedding")], "embedded")
    post, epsilon = config.norm_position == "post", config.norm_eps
    normed = x if post else graph.norm(x, "blocks.0.attention_norm", epsilon)
    for layer in range(config.num_layers):
        name = f"blocks.{layer}"
        qkv = graph.linear(normed, f"{name}.attention.qkv")
        mixed = graph.linear(attend(qkv, layer), f"{name}.attention.output")
        if post:
            x, _ = graph.add_and_norm(x, mixed, f"{name}.attention_norm", epsilon)
            x, _ = graph.add_and_norm(x, _feed_forward(graph, config, x, name), f"{name}.feed_forward_norm", epsilon)
            normed = x
            continue
        normed, x = graph.add_and_norm(x, mixed, f"{name}.feed_forward_norm", epsilon)
        inner = _feed_forward(graph, config, normed, name)
        if layer + 1 < config.num_layers:
            normed, x = graph.add_and_norm(x, inner, f"blocks.{layer + 1}.attention_norm", epsilon)
        else:
            x = graph.one("Add", [x, inner], f"{name}.out")
    if last_of:
        x = graph.one("Gather", [graph.reshape(x, last_of, "by_row"), graph.constant("last", -1)], "newest", axis=1)
    return graph.norm(x, "final_norm", epsilon)


def _feed_forward(graph: Graph, config: TransformerConfig, x: str, block: str) -> str:
    name = f"{block}.feed_forward"
    inner = graph.linear(x, f"{name}.input")  # (N, F or 2F)
    if config.gated:
        halves = [graph.constant("halves", [config.d_ff, config.d_ff])]
        gate, up = graph.add("Split", [inner, *halves], f"{name}.gate", num_outputs=2, axis=-1)
        active = graph.activation(gate, config.activation, f"{name}.active")
        return graph.linear(graph.one("Mul", [active, up], f"{name}.gated"), f"{name}.output")
    return graph.linear(graph.activation(inner, config.activation, f"{name}.active"), f"{name}.output")


def _head(graph: Graph, config: TransformerConfig, x: str) -> str:
    return graph.linear(x, "output_projection", "token_embedding.weight" if config.tie_embeddings else "")


def _split(graph: Graph, config: TransformerConfig, qkv: str, layer: int) -> list[str]:
    """Queries (N, H·K), keys and values (N, G·K); queries and keys normalized where the network does so."""
    name, K = f"blocks.{layer}.attention", config.head_dim
    widths = [config.num_heads * K, config.num_kv_heads * K, config.num_kv_heads * K]
    parts = graph.add("Split", [qkv, graph.constant("widths", widths)], f"{name}.query", num_outputs=3, axis=-1)
    if config.qk_norm:
        for i, kind in enumerate(("query_norm", "key_norm")):
            heads = graph.reshape(parts[i], [-1, K], f"{name}.{kind}.heads")  # (N·H, K)
            normed = graph.rms_norm(heads, graph.weight(f"{name}.{kind}.weight"), f"{name}.{kind}", config.norm_eps)
            parts[i] = graph.reshape(normed, [-1, widths[i]], f"{name}.{kind}.rows")
    return parts


def _window(config: TransformerConfig, layer: int) -> int:
    return config.sliding_window if layer >= config.first_windowed_layer else 0


def _portable_attention(graph: Graph, config: TransformerConfig) -> Attend:
    H, G, K = config.num_heads, config.num_kv_heads, config.head_dim
    R = H // G
    masks = {window: _mask(graph, window) for window in {_window(config, i) for i in range(config.num_layers)}}
    tables = []
    if config.position == "rope":
        for kind, table in zip(("cosine", "sine"), for_both_halves(*rotary_table(config)), strict=True):
            rows = graph.one("Gather", [graph.constant(f"rotary_{kind}", table.numpy()), "position_ids"], kind)
            tables.append(graph.one("Unsqueeze", [rows, graph.constant("heads_axis", [1])], f"{kind}s"))  # (B, 1, T, K)

    def heads(x: str, number: int) -> str:
        """(N, heads·K) to (B, heads, T, K)."""
        shape = graph.one("Concat", ["batch", graph.constant(f"by_{number}", [number, K])], f"{x}.shape", axis=0)
        return graph.one("Transpose", [graph.reshape(x, shape, f"{x}.by_head")], f"{x}.heads", perm=[0, 2, 1, 3])

    def rotated(x: str) -> str:
        if not tables:
            return x
        halves = graph.constant("half_heads", [K // 2, K // 2])
        first, second = graph.add("Split", [x, halves], f"{x}.first", num_outputs=2, axis=-1)
        partner = graph.one("Concat", [second, first], f"{x}.partner", axis=-1)
        straight = graph.one("Mul", [x, tables[0]], f"{x}.straight")
        crossed = graph.one("Mul", [partner, tables[1]], f"{x}.crossed")
        return graph.one("Add", [straight, crossed], f"{x}.rotated")

    def attend(qkv: str, layer: int) -> str:
        name = f"blocks.{layer}.attention"
        query, key, value = _split(graph, config, qkv, layer)
        new = rotated(heads(key, G)), heads(value, G)
        keys, values = (
            graph.one("Concat", [f"past_key_values.{layer}.{kind}", each], f"present.{layer}.{kind}", axis=2)
            for kind, each in zip(("key", "value"), new, strict=True)
        )  # (B, G, S, K)
        query = graph.one("Mul", [rotated(heads(query, H)), graph.constant("scale", K**-0.5)], f"{name}.scaled")
        mask = masks[_window(config, layer)]  # (B, 1, T, S)
        if R > 1:  # a head of keys to a group of queries: (B, G, R, T, K) beside (B, G, 1, S, K)
            batch, new_tokens = graph.add("Split", ["batch"], f"{name}.batch", num_outputs=2, axis=0)
            grouped = [batch, graph.constant("groups", [G, R]), new_tokens, graph.constant("head", [K])]
            query = graph.reshape(query, graph.one("Concat", grouped, f"{name}.groups", axis=0), f"{name}.grouped")
            axis = graph.constant("group_axis", [2])
            keys, values = (graph.one("Unsqueeze", [each, axis], f"{each}.grouped") for each in (keys, values))
            mask = graph.one("Unsqueeze", [mask, axis], f"{name}.mask")
        order = [0, 1, 2, 4, 3] if R > 1 else [0, 1, 3, 2]
        turned = graph.one("Transpose", [keys], f"{name}.turned", perm=order)
        scores = graph.one("MatMul", [query, turned], f"{name}.scores")
        masked = graph.one("Add", [scores, mask], f"{name}.masked")
        shares = graph.one("Softmax", [masked], f"{name}.shares", axis=-1)
        mixed = graph.one("MatMul", [shares, values], f"{name}.mixed")
        if R > 1:
            back = [batch, graph.constant("all_heads", [H]), new_tokens, graph.constant("head", [K])]
            mixed = graph.reshape(mixed, graph.one("Concat", back, f"{name}.back", axis=0), f"{name}.ungrouped")
        ordered = graph.one("Transpose", [mixed], f"{name}.ordered", perm=[0, 2, 1, 3])  # (B, T, H, K)
        return graph.reshape(ordered, [-1, H * K], f"{name}.rows")

    return attend


def _mask(graph: Graph, window: int) -> str:
    """What is added to the scores, 0 or almost minus infinity: (B, 1, T, S)."""
    name = f"mask_{window}"
    new, all_tokens = (
        graph.one("Gather", [graph.one("Shape", [of], f"{name}.{of}"), graph.constant("second", 1)], f"{name}.{what}")
        for of, what in (("input_ids", "new"), ("attention_mask", "all"))
    )
    past = graph.one("Sub", [all_tokens, new], f"{name}.past")
    start, step = graph.constant("start", 0), graph.constant("step", 1)
    seen = graph.one("Range", [start, all_tokens, step], f"{name}.seen")  # (S,)
    places = graph.one("Range", [past, all_tokens, step], f"{name}.places")  # (T,)
    places = graph.one("Unsqueeze", [places, graph.constant("heads_axis", [1])], f"{name}.column")  # (T, 1)
    allowed = graph.one("LessOrEqual", [seen, places], f"{name}.causal")  # (T, S)
    if window:
        before = graph.one("Sub", [places, graph.constant(f"window_{window}", window)], f"{name}.before")
        near = graph.one("Greater", [seen, before], f"{name}.near")
        allowed = graph.one("And", [allowed, near], f"{name}.windowed")
    real = graph.one("Cast", ["attention_mask"], f"{name}.real", to=int(import_onnx().TensorProto.BOOL))
    real = graph.one("Unsqueeze", [real, graph.constant("middle_axes", [1, 2])], f"{name}.keys")  # (B, 1, 1, S)
    allowed = graph.one("And", [allowed, real], f"{name}.allowed")  # (B, 1, T, S)
    return graph.one("Where", [allowed, graph.constant("nothing", 0.0), graph.constant("masked", MASKED)], name)


def _engine_attention(graph: Graph, config: TransformerConfig, by_token: str) -> Attend:
    H, G, K = config.num_heads, config.num_kv_heads, config.head_dim
    rope = config.position == "rope"
    tables = ["", ""]
    if rope:
        tables = [
            graph.constant(f"rotary_{kind}", table.numpy())
            for kind, table in zip(("cosine", "sine"), rotary_table(config), strict=True)
        ]

    def attend(qkv: str, layer: int) -> str:
        name = f"blocks.{layer}.attention"
        if config.qk_norm:
            parts = [graph.reshape(part, by_token, f"{part}.by_token") for part in _split(graph, config, qkv, layer)]
        else:
            parts = [graph.reshape(qkv, by_token, f"{name}.by_token"), "", ""]
        past = [f"past_{layer}.key", f"past_{layer}.value"]
        inputs = [*parts, *past, "held", "most", *tables, *[""] * 7, "new"]
        outputs = [f"{name}.mixed", f"cache_{layer}.key", f"cache_{layer}.value"]
        attributes = {
            "num_heads": H,
            "kv_num_heads": G,
            "do_rotary": int(rope),
            "local_window_size": _window(config, layer) or -1,
        }
        node = import_onnx().helper.make_node(
            "GroupQueryAttention", inputs, outputs, name, domain=MICROSOFT, **attributes
        )
        graph.nodes.append(node)
        return graph.reshape(outputs[0], [-1, H * K], f"{name}.rows")

    return attend


def _value(dtype: str) -> Callable[..., Any]:
    onnx = import_onnx()
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return lambda name, *shape: onnx.helper.make_tensor_value_info(name, kind, list(shape))


def _cache(config: TransformerConfig, name: str, length: str) -> list[Any]:
    shape = ("batch", config.num_kv_heads, length, config.head_dim)
    real = _value("float32")
    return [real(name.format(i, kind), *shape) for i in range(config.num_layers) for kind in ("key", "value")]


def _model(graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any], opset: int, ir_version: int) -> Any:
    onnx = import_onnx()
    large = graph.large()
    small = [
        onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items() if name not in large
    ]
    outside = [_placeholder(name, values) for name, values in large.items()]
    made = onnx.helper.make_graph(graph.nodes, "groundup", inputs, outputs, small + outside)
    versions = {"": opset, MICROSOFT: 1}
    opsets = [onnx.helper.make_opsetid(domain, versions[domain]) for domain in sorted({n.domain for n in graph.nodes})]
    return onnx.helper.make_model(made, opset_imports=opsets, ir_version=ir_version, producer_name="groundup")


def _placeholder(name: str, values: np.ndarray[Any, Any]) -> Any:
    """A tensor whose numbers lie elsewhere."""
    onnx = import_onnx()
    kind = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=values.shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="outside")
    return tensor

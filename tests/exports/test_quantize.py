"""Quantized weights: the grid's bounds, ONNX Runtime's reading of them, and PyTorch's own `quantize_dynamic` beside them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.exports.importance import input_squares
from groundup.exports.onnx_forward import OnnxForward
from groundup.exports.onnx_nodes import Graph
from groundup.exports.onnx_runtime import import_onnx, open_session
from groundup.exports.onnx_weights import graph_weights
from groundup.exports.quantize import QuantizedMatrix, quantize_matrix
from groundup.model.settings import preset_config
from groundup.model.transformer import KVCache, Transformer


@given(st.integers(1, 5), st.integers(1, 70), st.integers(0, 9), st.sampled_from([8, 4]))
def test_each_weight_is_within_its_blocks_step(rows: int, width: int, seed: int, bits: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    matrix[0, 0] = 0
    quantized = quantize_matrix(matrix, bits)
    back = quantized.dequantized()
    assert back.shape == matrix.shape
    if bits == 8:  # half a step of the block
        steps = np.repeat(np.abs(quantized.scales), quantized.block_size, axis=1)[:, :width]
        assert (np.abs(back - matrix) <= steps * 0.5001).all()
    else:  # no worse than the plain grid
        size, padding = quantized.block_size, -width % quantized.block_size
        blocks = np.pad(matrix, ((0, 0), (0, padding))).reshape(rows, -1, size)
        step = np.abs(blocks).max(-1, keepdims=True) / 7
        plain = np.clip(np.rint(blocks / np.where(step == 0, 1, step)), -8, 7) * step
        assert ((back - matrix) ** 2).sum() <= ((plain - blocks) ** 2).sum() * 1.0001 + 1e-9


def test_numbers_that_fit_the_grid_come_back_as_they_were() -> None:
    for bits in (8, 4):
        whole = np.random.default_rng(0).integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (3, 64)).astype(np.float32)
        whole[:, ::16] = -(2 ** (bits - 1)) if bits == 4 else 127
        np.testing.assert_allclose(quantize_matrix(whole * 0.25, bits).dequantized(), whole * 0.25, rtol=1e-6)


def test_a_row_of_zeros_stays_zero() -> None:
    for bits in (8, 4):
        assert not quantize_matrix(np.zeros((2, 40), np.float32), bits).dequantized().any()


def test_what_goes_in_is_measured_matrix_by_matrix() -> None:
    """Held to the definition: the embeddings, normalized, are what the first layer reads; its other inputs have their widths."""
    model = wide_network()
    squares = input_squares(model)
    assert {name: each.shape for name, each in squares.items()} == {
        name: (weight.shape[1],)
        for name, weight in model.state_dict().items()
        if name.startswith("blocks.") and weight.ndim == 2
    }
    ids = torch.randint(50, (8, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        read = model.token_embedding(ids) + model.position_embedding(torch.arange(64))  # type: ignore[misc]
        expected = model.blocks[0].attention_norm(read).square().mean((0, 1))  # type: ignore[operator]
    np.testing.assert_allclose(squares["blocks.0.attention.qkv.weight"], expected.numpy(), rtol=1e-4)
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_four_bits_lose_less_of_what_a_network_says_where_they_know_what_goes_in() -> None:
    """A column whose inputs are ten times as large as the others' is rounded more finely, and the product is nearer."""
    random = np.random.default_rng(0)
    matrix, inputs = random.standard_normal((64, 64), np.float32), random.standard_normal((200, 64), np.float32)
    inputs[:, ::16] *= 10
    errors = [
        ((inputs @ (quantize_matrix(matrix, 4, importance).dequantized() - matrix).T) ** 2).mean()
        for importance in ((inputs**2).mean(0), None)
    ]
    assert errors[0] < 0.8 * errors[1]
    nothing = quantize_matrix(matrix, 4, np.zeros(64, np.float32)).stored  # nothing known: as without
    np.testing.assert_array_equal(nothing, quantize_matrix(matrix, 4).stored)


def matrix_session(matrix: QuantizedMatrix) -> Any:
    """y = x · matrixᵀ in ONNX Runtime."""
    graph, onnx = Graph({"m.weight": matrix}, fused=True), import_onnx()
    graph.one("Identity", [graph.linear("x", "m")], "y")
    values = [onnx.helper.make_tensor_value_info(name, 1, ["n", None]) for name in ("x", "y")]
    constants = [onnx.numpy_helper.from_array(each, name) for name, each in graph.constants.items()]
    made = onnx.helper.make_graph(graph.nodes, "g", values[:1], values[1:], constants)
    opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=10)
    return open_session(model.SerializeToString(), num_threads=1)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("width", [32, 40, 128])
def test_onnx_runtime_reads_the_numbers_as_we_mean_them(bits: int, width: int) -> None:
    """One weight at a time, so that no activation is rounded: the unit vectors' products are the matrix."""
    matrix = np.random.default_rng(1).standard_normal((7, width)).astype(np.float32)
    quantized = quantize_matrix(matrix, bits)
    (product,) = matrix_session(quantized).run(["y"], {"x": np.eye(width, dtype=np.float32)})
    np.testing.assert_allclose(product.T, quantized.dequantized(), atol=2e-3 * np.abs(matrix).max())


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="other processors, other sums")
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("width", [40, 128, 384])
def test_a_row_alone_and_among_others_has_the_same_product(bits: int, width: int) -> None:
    rng = np.random.default_rng(2)
    session = matrix_session(quantize_matrix(rng.standard_normal((64, width)).astype(np.float32), bits))
    rows = rng.standard_normal((16, width)).astype(np.float32)
    (together,) = session.run(["y"], {"x": rows})
    alone = [session.run(["y"], {"x": rows[i : i + 1]})[0] for i in range(len(rows))]
    np.testing.assert_array_equal(np.concatenate(alone), together)


def wide_network() -> Transformer:
    torch.manual_seed(0)
    config = preset_config("gpt2", vocab_size=50, d_model=64, num_layers=2, num_heads=4, initialization="normal")
    return Transformer(config).eval()


def test_every_matrix_is_quantized_and_nothing_else() -> None:
    model = wide_network()
    weights = graph_weights(model, "int4")
    matrices = {name for name, value in weights.items() if isinstance(value, QuantizedMatrix)}
    linear = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
    assert matrices == linear - {"output_projection.weight"} | {"token_embedding.weight"}  # which it shares
    bits = {name: value.bits for name, value in weights.items() if isinstance(value, QuantizedMatrix)}
    assert {name for name, each in bits.items() if each == 8} == {"token_embedding.weight"}
    plain = graph_weights(model)
    assert not any(isinstance(value, QuantizedMatrix) for value in plain.values())
    embedding = plain["token_embedding.weight"]
    assert isinstance(embedding, np.ndarray)
    assert embedding.ctypes.data == model.token_embedding.weight.data_ptr()  # no copy


@torch.inference_mode()
def test_int8_is_nearer_to_the_network_than_pytorchs_quantize_dynamic() -> None:
    model = wide_network()
    ids = torch.randint(0, 50, (1, 40))
    exact = model(ids)[:, -1]
    ours = OnnxForward.of_model(model, "int8")(ids, KVCache(model.config, 1, 40, "cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated; here it is what we are held against
        quantize_dynamic: Any = torch.ao.quantization.quantize_dynamic
        theirs = quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)(ids)[:, -1]
    spread = float(exact.std())
    assert float((ours - exact).abs().max()) < min(0.05 * spread, float((theirs - exact).abs().max()))

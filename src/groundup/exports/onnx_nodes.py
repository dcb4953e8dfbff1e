"""An ONNX graph as it grows: operators and constants, and the few layers that every network is made of.

With `fused`, ONNX Runtime's own operators stand for what the standard ones would take several of. Shapes: N rows of numbers,
D width of a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from groundup.exports.onnx_runtime import INLINE, import_onnx
from groundup.exports.quantize import Array, QuantizedMatrix

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
INT8_ACTIVATIONS = 4  # MatMulNBits multiplies whole numbers: each row of activations is quantized in blocks as well

Weights = Mapping[str, Array | QuantizedMatrix]
"""The network's tensors by their names in our `state_dict`; matrices (outputs, inputs) may be quantized."""


@dataclass
class Graph:
    """Operators and constants by name; a value is known by the name of what gave it."""

    weights: Weights
    fused: bool
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def add(
        self, operator: str, inputs: Sequence[str], name: str, domain: str = "", num_outputs: int = 1, **attributes: Any
    ) -> list[str]:
        """Add an operator; the names of its outputs, the first of which is `name`."""
        outputs = [name, *(f"{name}.{i}" for i in range(1, num_outputs))]
        self.nodes.append(import_onnx().helper.make_node(operator, inputs, outputs, name, domain=domain, **attributes))
        return outputs

    def one(self, operator: str, inputs: Sequence[str], name: str, domain: str = "", **attributes: Any) -> str:
        """`add` for an operator with a single output."""
        return self.add(operator, inputs, name, domain, **attributes)[0]

    def constant(self, name: str, values: Array | Sequence[int] | int | float) -> str:
        if name not in self.constants:
            dtype = None if isinstance(values, np.ndarray) else np.float32 if isinstance(values, float) else np.int64
            self.constants[name] = np.asarray(values, dtype, order="C")
        return name

    def weight(self, name: str) -> str:
        """One of the network's tensors that is not quantized."""
        values = self.weights[name]
        assert isinstance(values, np.ndarray)
        return self.constant(name, values)

    def reshape(self, x: str, shape: Sequence[int] | str, name: str) -> str:
        if not isinstance(shape, str):
            shape = self.constant("shape." + ",".join(map(str, shape)), list(shape))
        return self.one("Reshape", [x, shape], name)

    def linear(self, x: str, name: str, matrix: str = "") -> str:
        """Rows (N, D) times a matrix (outputs, D), plus the bias if there is one; `matrix` names one that bears another name."""
        values = self.weights[matrix or f"{name}.weight"]
        bias = [self.weight(f"{name}.bias")] if f"{name}.bias" in self.weights else []
        if isinstance(values, np.ndarray):
            return self.one("Gemm", [x, self.weight(matrix or f"{name}.weight"), *bias], f"{name}.out", transB=1)
        stored = self.constant(f"{matrix or f'{name}.weight'}.stored", values.stored)
        scales = self.constant(f"{matrix or f'{name}.weight'}.scales", values.scales)
        sizes = {"K": values.width, "N": len(values.stored), "bits": values.bits, "block_size": values.block_size}
        inputs = [x, stored, scales, *(["", "", *bias] if bias else [])]
        return self.one("MatMulNBits", inputs, f"{name}.out", MICROSOFT, accuracy_level=INT8_ACTIVATIONS, **sizes)

    def embedding(self, ids: str, name: str) -> str:
        """The rows (N, D) of a table that the ids (N,) name."""
        table = self.weights[f"{name}.weight"]
        if isinstance(table, np.ndarray):
            return self.one("Gather", [self.weight(f"{name}.weight"), ids], f"{name}.out")
        rows = len(table.stored)
        stored = self.constant(f"{name}.weight.rows", table.stored.reshape(rows, -1))
        scales = self.constant(f"{name}.weight.scales", table.scales)
        sizes = {"bits": table.bits, "block_size": table.block_size, "quantize_axis": 1, "gather_axis": 0}
        found = self.one("GatherBlockQuantized", [stored, ids, scales], f"{name}.found", MICROSOFT, **sizes)
        ends = [self.constant("zero", [0]), self.constant("width", [table.width]), self.constant("one", [1])]
        return self.one("Slice", [found, *ends], f"{name}.out") if table.width % table.block_size else found

    def norm(self, x: str, name: str, epsilon: float) -> str:
        """Layer normalization where the layer has a bias, else root-mean-square normalization."""
        weight = self.weight(f"{name}.weight")
        if f"{name}.bias" in self.weights:
            inputs = [x, weight, self.weight(f"{name}.bias")]
            return self.one("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=epsilon)
        return self.rms_norm(x, weight, name, epsilon)

    def rms_norm(self, x: str, weight: str, name: str, epsilon: float) -> str:
        if self.fused:
            return self.one("SimplifiedLayerNormalization", [x, weight], f"{name}.out", axis=-1, epsilon=epsilon)
        squares = self.one("Pow", [x, self.constant("two", 2.0)], f"{name}.squares")
        mean = self.one("ReduceMean", [squares], f"{name}.mean", axes=[-1], keepdims=1)
        added = self.one("Add", [mean, self.constant("epsilon", epsilon)], f"{name}.added")
        scaled = self.one("Div", [x, self.one("Sqrt", [added], f"{name}.root")], f"{name}.scaled")
        return self.one("Mul", [scaled, weight], f"{name}.out")

    def add_and_norm(self, x: str, branch: str, name: str, epsilon: float) -> tuple[str, str]:
        """x + branch, normalized and as it is."""
        if not self.fused:
            total = self.one("Add", [x, branch], f"{name}.sum")
            return self.norm(total, name, epsilon), total
        bias = [self.weight(f"{name}.bias")] if f"{name}.bias" in self.weights else []
        operator = "SkipLayerNormalization" if bias else "SkipSimplifiedLayerNormalization"
        inputs = [branch, x, self.weight(f"{name}.weight"), *bias]
        outputs = [f"{name}.out", "", "", f"{name}.sum"]
        helper = import_onnx().helper
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, domain=MICROSOFT, epsilon=epsilon))
        return outputs[0], outputs[3]

    def activation(self, x: str, kind: str, name: str) -> str:
        """`groundup.model.transformer.activate`."""
        if kind in ("relu", "reglu"):
            return self.one("Relu", [x], name)
        if kind in ("gelu", "geglu"):
            return self._gelu(x, name)
        if kind in ("gelu_tanh", "geglu_tanh"):
            return self._gelu_tanh(x, name)
        if self.fused:
            return self.one("QuickGelu", [x], name, MICROSOFT, alpha=1.0)  # x · sigmoid(alpha x)
        return self.one("Mul", [x, self.one("Sigmoid", [x], f"{name}.sigmoid")], name)

    def _gelu(self, x: str, name: str) -> str:
        if self.fused:
            return self.one("Gelu", [x], name, MICROSOFT)
        scaled = self.one("Div", [x, self.constant("root_2", math.sqrt(2.0))], f"{name}.scaled")
        return self._gated_half(x, self.one("Erf", [scaled], f"{name}.erf"), name)

    def _gelu_tanh(self, x: str, name: str) -> str:
        """Hendrycks & Gimpel 2016, §2."""
        if self.fused:
            return self.one("FastGelu", [x], name, MICROSOFT)
        cubed = self.one("Pow", [x, self.constant("three", 3.0)], f"{name}.cubed")
        scaled = self.one("Mul", [cubed, self.constant("gelu_cubic", 0.044715)], f"{name}.scaled")
        total = self.one("Add", [x, scaled], f"{name}.sum")
        inner = self.one("Mul", [total, self.constant("root_2_over_pi", math.sqrt(2.0 / math.pi))], f"{name}.inner")
        return self._gated_half(x, self.one("Tanh", [inner], f"{name}.tanh"), name)

    def _gated_half(self, x: str, gate: str, name: str) -> str:
        raised = self.one("Add", [gate, self.constant("one_float", 1.0)], f"{name}.raised")
        product = self.one("Mul", [x, raised], f"{name}.product")
        return self.one("Mul", [product, self.constant("half", 0.5)], name)

    def large(self) -> dict[str, Array]:
        """The constants that are kept outside the graph."""
        return {name: values for name, values in self.constants.items() if values.nbytes >= INLINE}

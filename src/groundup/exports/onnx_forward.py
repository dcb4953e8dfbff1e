"""The engine's pass in ONNX Runtime: ids in, logits out, keys and values written into the engine's own cache.

    engine = Engine(model, num_slots=16, forward=OnnxForward(model, quantize="int8"))
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.errors import ModelError
from groundup.exports.onnx_graph import engine_graph
from groundup.exports.onnx_nodes import Weights
from groundup.exports.onnx_runtime import open_session
from groundup.exports.onnx_weights import graph_weights
from groundup.exports.quantize import Quantize
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import KVCache, Transformer


class OnnxForward:
    """A `Forward` of the engine: reads ids (B, T) into a cache, in place, and gives the logits (B, V) after the last of them.

    It shares its weights with the model, or holds quantized ones; `num_threads` 0: one for each core. The logits are written over at
    the next call. Raises `ModelError` for a network that its graph can't hold or that isn't on the CPU, `MissingExtraError` where ONNX Runtime
    isn't installed.
    """

    def __init__(self, model: Transformer, quantize: Quantize = "", num_threads: int = 0) -> None:
        device = model.token_embedding.weight.device
        if device.type != "cpu":
            raise ModelError(f"the model is on {device}, and its ONNX graph runs on the CPU: open it with device = cpu")
        self._open(model.config, graph_weights(model, quantize), num_threads)

    @classmethod
    def of_weights(cls, config: TransformerConfig, weights: Weights, num_threads: int = 0) -> OnnxForward:
        """The pass of tensors by their names in our `state_dict`, such as an exported file's."""
        made = cls.__new__(cls)
        made._open(config, weights, num_threads)
        return made

    def _open(self, config: TransformerConfig, weights: Weights, num_threads: int) -> None:
        model, graph = engine_graph(config, weights)
        self.config = config
        self._weights = graph.large()  # the session reads them where they are
        self._session = open_session(model.SerializeToString(), self._weights, num_threads)
        self._step: _Step | None = None

    def __call__(self, ids: Tensor, cache: KVCache) -> Tensor:
        step = self._step
        if step is None or step.key != _key(ids, cache):
            step = self._step = _Step(self._session, self.config, ids, cache)
        logits = step(ids, cache.lengths)
        cache.lengths = [length + ids.shape[1] for length in cache.lengths]
        return logits


def _key(ids: Tensor, cache: KVCache) -> tuple[object, ...]:
    return (*ids.shape, cache.keys.data_ptr(), cache.values.data_ptr(), cache.keys.shape, cache.keys.stride())


class _Step:
    """What the graph reads and writes, bound once for a number of rows and of tokens, and for a place of the cache."""

    def __init__(self, session: Any, config: TransformerConfig, ids: Tensor, cache: KVCache) -> None:
        B, T = ids.shape
        self.key = _key(ids, cache)
        self.run, self.binding = session.run_with_iobinding, session.io_binding()
        self.new = T
        self.ids, self.places = np.zeros((B, T), np.int64), np.zeros((B, T), np.int64)
        self.held, self.most = np.zeros(B, np.int32), np.zeros((), np.int32)
        self.steps = np.arange(T)
        self.each_new = np.full(B, T, np.int32)
        self.logits = torch.empty(B, config.vocab_size)
        given = {"ids": self.ids, "held": self.held, "new": self.each_new, "most": self.most}
        if config.position == "learned":
            given["places"] = self.places
        for name, array in given.items():
            self.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for kind, stored in (("key", cache.keys), ("value", cache.values)):
            for layer in range(config.num_layers):
                held = stored[layer]  # (B, G, M, K)
                assert held.is_contiguous() and held.dtype == torch.float32, "rows of a cache lie one after the other"
                shape, place = tuple(held.shape), held.data_ptr()
                self.binding.bind_input(f"past_{layer}.{kind}", "cpu", 0, np.float32, shape, place)
                self.binding.bind_output(f"cache_{layer}.{kind}", "cpu", 0, np.float32, shape, place)
        place = self.logits.data_ptr()
        self.binding.bind_output("logits", "cpu", 0, np.float32, tuple(self.logits.shape), place)

    def __call__(self, ids: Tensor, lengths: list[int]) -> Tensor:
        self.ids[:] = ids.numpy()
        self.held[:] = lengths
        self.places[:] = self.held[:, None] + self.steps
        self.held += self.new - 1
        self.most[...] = max(lengths) + self.new
        self.run(self.binding)
        return self.logits

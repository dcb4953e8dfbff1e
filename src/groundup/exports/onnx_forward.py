"""The engine's pass in ONNX Runtime: ids in, logits out, keys and values written into the engine's own cache.

engine = Engine(model, num_slots=16, forward=OnnxForward.of_model(model, "int8"))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.errors import ModelError
from groundup.exports.onnx_graph import MODEL_FILE, read_onnx
from groundup.exports.onnx_network import engine_graph, fits_engine, portable_graph
from groundup.exports.onnx_nodes import Weights
from groundup.exports.onnx_runtime import as_values, open_session
from groundup.exports.onnx_weights import graph_weights
from groundup.exports.quantize import Array, Quantize
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import KVCache, Transformer

LONGEST_PIECE = 256  # tokens of a row at once: attention's scores take rows · heads · tokens · the cache's room numbers


class OnnxForward:
    """A `Forward` of the engine: reads ids (B, T) into a cache, in place, and gives the logits (B, V) after the last of them.

    It opens a directory that `write_onnx` wrote, and runs its tensors through the engine's graph (`onnx_network`), or, where ONNX
    Runtime's attention can't take the size of the heads, through the portable one. `num_threads` 0: as many as PyTorch takes. Raises
    `ModelError` for a directory that isn't one, `MissingExtraError` where ONNX Runtime isn't installed.
    """

    own_threads = True
    """The engine lets PyTorch's threads rest meanwhile."""

    def __init__(self, directory: Path, num_threads: int = 0) -> None:
        self._open(*read_onnx(directory), num_threads)

    @classmethod
    def of_model(cls, model: Transformer, quantize: Quantize = "", num_threads: int = 0) -> OnnxForward:
        """The pass of a model in memory, whose weights it shares, or holds quantized. Raises `ModelError` for one on another device
        than the CPU, or not in float32."""
        device, dtype = model.token_embedding.weight.device, model.token_embedding.weight.dtype
        if device.type != "cpu":
            raise ModelError(f"the model is on {device}, and its ONNX graph runs on the CPU: open it with device = cpu")
        if dtype != torch.float32:  # the engine's cache has the model's number format
            raise ModelError(
                f"the model is in {dtype}, and its ONNX graph computes in float32: convert it with .float()"
            )
        made = cls.__new__(cls)
        made._open(model.config, graph_weights(model, quantize), num_threads)
        return made

    def _open(self, config: TransformerConfig, weights: Weights, num_threads: int) -> None:
        self.config = config
        self.in_place = fits_engine(config)
        """Whether keys and values are written where they stay; else each step copies them."""
        proto, graph = (engine_graph if self.in_place else portable_graph)(config, weights)
        self._weights = as_values(graph.large())  # the session reads them where they are
        self._session = open_session(proto.SerializeToString(), self._weights, num_threads)
        self._portable = PortableForward(config, self._session)
        self._step: _Step | None = None

    def __call__(self, ids: Tensor, cache: KVCache) -> Tensor:
        if not self.in_place:
            return self._portable(ids, cache)
        for start in range(0, ids.shape[1], LONGEST_PIECE):
            logits = self._read(ids[:, start : start + LONGEST_PIECE], cache)
        return logits

    def _read(self, ids: Tensor, cache: KVCache) -> Tensor:
        step = self._step
        if step is None or step.key != _key(ids, cache):
            step = self._step = _Step(self._session, self.config, ids, cache)
        logits = step(ids, cache.lengths)
        cache.lengths = [length + ids.shape[1] for length in cache.lengths]
        return logits


class PortableForward:
    """A `Forward` that runs the portable graph as any other program would: past in, present out, a row at a time."""

    def __init__(self, config: TransformerConfig, session: Any) -> None:
        self.config, self._session = config, session
        self._names = [(i, kind) for i in range(config.num_layers) for kind in ("key", "value")]
        self._gives = ["logits", *(f"present.{i}.{kind}" for i, kind in self._names)]

    @classmethod
    def of_file(cls, directory: Path, num_threads: int = 0) -> PortableForward:
        """The file that `write_onnx` wrote, as it is. Raises as `OnnxForward` does."""
        config, _ = read_onnx(directory)
        return cls(config, open_session(directory / MODEL_FILE, num_threads=num_threads))

    def __call__(self, ids: Tensor, cache: KVCache) -> Tensor:
        logits = torch.stack([self._read_row(ids[i : i + 1], cache, i) for i in range(len(ids))])
        cache.lengths = [length + ids.shape[1] for length in cache.lengths]
        return logits

    def _read_row(self, ids: Tensor, cache: KVCache, row: int) -> Tensor:
        past, T = cache.lengths[row], ids.shape[1]
        stored = {"key": cache.keys, "value": cache.values}
        given = {
            "input_ids": ids.numpy(),
            "attention_mask": np.ones((1, past + T), np.int64),
            "position_ids": np.arange(past, past + T)[None],
        }
        for i, kind in self._names:
            given[f"past_key_values.{i}.{kind}"] = stored[kind][i, row : row + 1, :, :past].contiguous().numpy()
        logits, *present = self._session.run(self._gives, given)
        for (i, kind), each in zip(self._names, present, strict=True):
            stored[kind][i, row, :, past : past + T] = torch.from_numpy(each[0, :, past:])
        return torch.from_numpy(logits[0, -1])


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
        given: dict[str, Array] = {"ids": self.ids, "held": self.held, "new": self.each_new, "most": self.most}
        if config.position == "learned":
            given["places"] = self.places
        for name, array in given.items():
            self.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for kind, stored in (("key", cache.keys), ("value", cache.values)):
            for layer in range(config.num_layers):
                held = stored[layer]  # (B, G, M, K)
                assert held.is_contiguous(), "rows of a cache lie one after the other"
                assert held.dtype == torch.float32, "the graph's cache is in fp32, as the weights are"
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
        return self.logits.clone()  # the next step writes over it

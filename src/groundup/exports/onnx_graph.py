"""Our network as an ONNX graph on disk, and its tensors read back.

model.onnx         the portable graph, with the weights in it where they are small
model.onnx.data    the weights, where they are large (protobuf ends at 2 GB, and a file of its own can be mapped into memory)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groundup.config import as_plain, build
from groundup.errors import ModelError, SettingError
from groundup.exports.onnx_network import portable_graph
from groundup.exports.onnx_nodes import Weights
from groundup.exports.onnx_runtime import import_onnx
from groundup.exports.onnx_weights import graph_weights
from groundup.exports.quantize import Array, Quantize, QuantizedMatrix
from groundup.files import replacing
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer

MODEL_FILE, DATA_FILE = "model.onnx", "model.onnx.data"
LARGE = 1 << 26  # bytes of weights: more of them get a file of their own
ALIGNMENT = 4096  # bytes: a page, so that a tensor can be mapped


def write_onnx(model: Transformer, directory: Path, quantize: Quantize = "") -> None:
    """Write the model's portable graph (`groundup.exports.onnx_network`), its matrices quantized if asked.

    Raises `MissingExtraError` without the `onnx` package; what the disk refuses is an `OSError`.
    """
    proto, graph = portable_graph(model.config, graph_weights(model, quantize))
    proto.metadata_props.add(key="groundup.config", value=json.dumps(as_plain(model.config)))
    proto.metadata_props.add(key="groundup.quantize", value=quantize)
    large = graph.large()
    directory.mkdir(parents=True, exist_ok=True)
    if sum(values.nbytes for values in large.values()) > LARGE:
        _write_data(proto, large, directory / DATA_FILE)
    else:
        _put_inside(proto, large)
        (directory / DATA_FILE).unlink(missing_ok=True)
    with replacing(directory / MODEL_FILE) as file:
        file.write(proto.SerializeToString())


def _write_data(proto: Any, large: Mapping[str, Array], path: Path) -> None:
    """Each tensor on a page of its own; what shares its memory is written once."""
    places: dict[tuple[int, int], int] = {}
    with replacing(path) as file:
        for tensor in proto.graph.initializer:
            if tensor.name not in large:
                continue
            values = large[tensor.name]
            key = values.ctypes.data, values.nbytes
            if key not in places:
                file.write(bytes(-file.tell() % ALIGNMENT))
                places[key] = file.tell()
                file.write(values.data)
            del tensor.external_data[:]
            for name, value in (("location", path.name), ("offset", places[key]), ("length", values.nbytes)):
                tensor.external_data.add(key=name, value=str(value))


def _put_inside(proto: Any, large: Mapping[str, Array]) -> None:
    to_tensor = import_onnx().numpy_helper.from_array
    for tensor in proto.graph.initializer:
        if tensor.name in large:
            tensor.CopyFrom(to_tensor(large[tensor.name], tensor.name))


def read_onnx(directory: Path) -> tuple[TransformerConfig, Weights]:
    """The network of a directory that `write_onnx` wrote, and its tensors by their names in our `state_dict`; large files stay on
    the disk, mapped. Raises `ModelError` for another's graph and for files that are cut off."""
    path = directory / MODEL_FILE
    try:
        proto = import_onnx().load(str(path), load_external_data=False)
        stored = {each.key: each.value for each in proto.metadata_props}
        config = build(TransformerConfig, json.loads(stored["groundup.config"]), "model.")
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); name a directory that holds one") from None
    except (KeyError, ValueError, SettingError) as error:
        raise ModelError(f"{path} does not say which of our networks it holds ({error}); export it again") from None
    except MemoryError:
        raise
    except Exception as error:  # protobuf's own, whose class is another in each of its builds
        raise ModelError(f"{path} is not an ONNX model ({error}); export it again") from None
    arrays = {tensor.name: _array(tensor, directory) for tensor in proto.graph.initializer}
    nodes = {node.input[1]: node for node in proto.graph.node if node.op_type == "MatMulNBits"}
    weights: dict[str, Array | QuantizedMatrix] = {}
    for name, values in arrays.items():
        if not name.startswith(
            ("blocks.", "token_embedding.", "position_embedding.", "final_norm.", "output_projection.")
        ):
            continue
        matrix, _, kind = name.rpartition(".")
        if kind == "rows":  # the token embedding, which the projection to the vocabulary may share
            scales = arrays[f"{matrix}.scales"]
            weights[matrix] = QuantizedMatrix(values.reshape(*scales.shape, -1), scales, 8, config.d_model)
        elif kind == "stored" and matrix != "token_embedding.weight":
            sizes = {each.name: each.i for each in nodes[name].attribute}
            weights[matrix] = QuantizedMatrix(values, arrays[f"{matrix}.scales"], sizes["bits"], sizes["K"])
        elif kind in ("weight", "bias"):
            weights[name] = values
    return config, weights


def _array(tensor: Any, directory: Path) -> Array:
    onnx = import_onnx()
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return onnx.numpy_helper.to_array(tensor)  # type: ignore[no-any-return]
    place = {each.key: each.value for each in tensor.external_data}
    path = directory / DATA_FILE
    if place.get("location") != DATA_FILE or not path.exists():
        raise ModelError(f"{directory} lacks {place.get('location')}, which holds {tensor.name}; copy both files")
    dtype, offset = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type), int(place["offset"])
    if offset + int(np.prod(tensor.dims)) * dtype.itemsize > path.stat().st_size:
        raise ModelError(f"{path} is cut off: {tensor.name} lies beyond its end; export it again")
    return np.memmap(path, dtype, "r", offset, tuple(tensor.dims))

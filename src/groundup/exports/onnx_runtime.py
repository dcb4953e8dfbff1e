"""ONNX and ONNX Runtime: optional packages, imported here only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundup.errors import MissingExtraError

INLINE = 1 << 10  # bytes: smaller constants are part of the graph itself, which its optimizer may want to look into


def import_onnx() -> Any:
    """The `onnx` package. Raises `MissingExtraError`."""
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("writing ONNX graphs", "export") from None
    return onnx


def import_onnxruntime() -> Any:
    """The `onnxruntime` package, its telemetry off (`groundup.exports`). Raises `MissingExtraError`."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtraError("ONNX Runtime", "export") from None
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def as_values(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """The same memory as ONNX Runtime's values, which keep the arrays."""
    runtime = import_onnxruntime()
    return {name: runtime.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}


def open_session(model: bytes | Path, weights: Mapping[str, Any] | None = None, num_threads: int = 0) -> Any:
    """An `onnxruntime.InferenceSession` of a file, or of a graph in memory, whose large `weights` (`as_values`) it reads where they are;
    but matrices of floating-point numbers are laid out anew for its products, which are half as quick without.

    The values must live as long as the session. `num_threads` 0: as many as PyTorch takes.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = num_threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # it would keep a plan, and a block of memory, for every length of a prompt
    if weights:
        options.add_external_initializers(list(weights), list(weights.values()))
        for name, value in weights.items():  # by the call before alone, each would be copied
            options.add_initializer(name, value)
    source = model if isinstance(model, bytes) else str(model)
    return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

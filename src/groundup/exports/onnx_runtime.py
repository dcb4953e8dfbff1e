"""ONNX and ONNX Runtime: optional packages, imported here only, and told to keep what they see to themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groundup.cores import available_cores
from groundup.errors import MissingExtraError

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"  # ONNX Runtime's own switch; it is looked at once, when the library is loaded
INLINE = 1 << 10  # bytes: smaller constants are part of the graph itself, which its optimizer may want to look into


def import_onnx() -> Any:
    """The `onnx` package. Raises `MissingExtraError`."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing ONNX graphs", "export") from None
    return onnx


def import_onnxruntime() -> Any:
    """The `onnxruntime` package, which would otherwise write a device's id into the user's cache and report to its maker.

    Whatever uses ONNX Runtime imports it here. Raises `MissingExtraError`.
    """
    os.environ[NO_TELEMETRY] = "1"
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("ONNX Runtime", "export") from None
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def open_session(
    model: bytes | Path, weights: Mapping[str, np.ndarray[Any, Any]] | None = None, num_threads: int = 0
) -> Any:
    """An `onnxruntime.InferenceSession` of a file, or of a graph in memory, which is given its large `weights` without a copy.

    The weights must live as long as the session. `num_threads` 0: one for each core.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = num_threads or available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # it would keep a plan, and a block of memory, for every length of a prompt
    if weights:
        names = list(weights)
        options.add_external_initializers(names, [runtime.OrtValue.ortvalue_from_numpy(weights[name]) for name in names])
    source = model if isinstance(model, bytes) else str(model)
    return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

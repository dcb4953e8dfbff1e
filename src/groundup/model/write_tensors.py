"""Tensors into a safetensors file (https://github.com/huggingface/safetensors#format), as the library lays it out, written by ourselves.

The library's own writer leaves a file for its owner alone, whatever the umask, puts its metadata in an order that changes by chance, and
doesn't look at what closing says: of a quota over a network, that the file is full of holes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.files import replacing

DTYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
}
"""In the library's order, the widest last: these stand first in a file, so that each lies at a multiple of its width."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, and some texts beside them; the file is whole and durable, or not there. What the disk refuses is an `OSError`
    that names the file."""
    widths = list(DTYPES)
    ordered = sorted(tensors.items(), key=lambda one: (-widths.index(one[1].dtype), one[0]))
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)

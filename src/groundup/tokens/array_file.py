"""One file format for arrays of numbers: a magic line, a JSON header, the numbers.

    bytes 0-15        b"GROUNDUP ARRAY 1" (the digit is the format's version)
    bytes 16-4095     the header as JSON, padded with spaces: kind, dtype, count, sha256 of the payload, and more
    from byte 4096    the payload: `count` little-endian numbers, mapped into memory when they are used

The header is typed and nothing in it is executed. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.files import NOT_THERE, naming, replacing

FORMAT = b"GROUNDUP ARRAY "
VERSION = b"1"
MAGIC = FORMAT + VERSION
HEADER_BYTES = 4096
BLOCK_BYTES = 2**20
DTYPES = ("<u2", "<u4", "<i4", "<i8")

PREPARE_AGAIN = "delete it, so that the data is prepared again"


@dataclass(frozen=True)
class ArrayFile:
    """An open array file."""

    path: Path
    header: dict[str, Any]
    array: NDArray[Any]
    """(count,) the numbers, read-only; they are read from the disk when they are used."""


def write_array(
    path: Path, kind: str, dtype: str, pieces: Iterable[NDArray[Any]], facts: Callable[[], dict[str, Any]]
) -> str:
    """Write pieces one after the other as one array, then the header: to a temporary name, flushed, then renamed. The numbers' hash.

    `facts` gives what this kind adds to the header; it is called after the last piece, so it may count while they pass.
    """
    assert dtype in DTYPES
    digest, count = hashlib.sha256(), 0
    with replacing(path) as file:
        file.write(b" " * HEADER_BYTES)
        for piece in pieces:
            payload = np.ascontiguousarray(piece, np.dtype(dtype))
            file.write(payload.data)
            digest.update(payload.data)
            count += piece.size
        header = {"kind": kind, "dtype": dtype, "count": count, "sha256": digest.hexdigest(), **facts()}
        file.seek(0)
        file.write(MAGIC + json.dumps(header).encode().ljust(HEADER_BYTES - len(MAGIC)))
        assert file.tell() == HEADER_BYTES
    return digest.hexdigest()


def open_array(path: Path, kind: str, verify: bool) -> ArrayFile:
    """Map an array file into memory; with `verify`, read it through and compare its sha256.

    Raises `DataError`, naming the file, when it is missing, of another kind or version, truncated or changed.
    """
    try:
        size = path.stat().st_size
        with naming(path), path.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except NOT_THERE as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): {PREPARE_AGAIN}") from error
    if not start.startswith(FORMAT):
        raise DataError(f"{path} is not a token file (it begins with {start[:8]!r}): {PREPARE_AGAIN}")
    if not start.startswith(MAGIC):
        version = start[len(FORMAT) : len(MAGIC)].decode("ascii", "replace")
        raise DataError(f"{path} has format version {version}, this library reads {VERSION.decode()}: {PREPARE_AGAIN}")
    header = _read_header(path, start, kind)
    dtype = np.dtype(header["dtype"])
    expected = HEADER_BYTES + header["count"] * dtype.itemsize
    if size != expected:
        raise DataError(f"{path} has {size:,} bytes where its header says {expected:,}: {PREPARE_AGAIN}")
    if header["count"]:
        array: NDArray[Any] = np.memmap(path, dtype, "r", offset=HEADER_BYTES, shape=(header["count"],))
    else:
        array = np.empty(0, dtype)  # nothing to map
    if verify and sha256_of_payloads([path]) != header["sha256"]:
        raise DataError(f"{path} is damaged (its sha256 is not the one in its header): {PREPARE_AGAIN}")
    return ArrayFile(path, header, array)


def sha256_of_payloads(paths: Iterable[Path]) -> str:
    """The hash of the numbers of these files, as if they lay in one. Read, not mapped: pages of a mapped file would count as this
    process's memory."""
    digest = hashlib.sha256()
    for path in paths:
        with naming(path), path.open("rb") as file:
            file.seek(HEADER_BYTES)
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _read_header(path: Path, start: bytes, kind: str) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(start[len(MAGIC) :])
        whole = header["dtype"] in DTYPES and type(header["count"]) is int and header["count"] >= 0
        if len(start) < HEADER_BYTES or not whole or not isinstance(header["sha256"], str):
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} has a damaged header: {PREPARE_AGAIN}") from error
    if header.get("kind") != kind:
        raise DataError(f"{path} holds {header.get('kind')}, not {kind}: {PREPARE_AGAIN}")
    return header

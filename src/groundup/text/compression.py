"""Opening a file to read, whether it is compressed (.gz, .zst) or not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from groundup.errors import DataError, MissingExtraError

COMPRESSED = (".gz", ".zst")


def inner_name(name: str) -> str:
    """`notes.jsonl.gz` -> `notes.jsonl`."""
    return name[: -len(suffix)] if (suffix := compression(name)) else name


def compression(name: str) -> str:
    """`.gz`, `.zst` or nothing."""
    return next((suffix for suffix in COMPRESSED if name.lower().endswith(suffix)), "")


class DamagedError(DataError):
    """A file is cut off, or its bytes are not those that were written."""


@contextmanager
def opened(path: Path, name: str) -> Iterator[BinaryIO]:
    """A file's bytes, unpacked as they are read; `name` is what messages call it.

    Raises `DamagedError` when it turns out to be damaged or cut off.
    """
    kind = compression(path.name)
    damaged: tuple[type[Exception], ...] = ()
    opening: Callable[[Path], object] = partial(open, mode="rb")
    if kind == ".gz":
        opening, damaged = gzip.open, (EOFError, zlib.error, gzip.BadGzipFile)
    elif kind == ".zst":
        try:
            from backports import zstd
        except ImportError:
            raise MissingExtraError(f"reading {path.name}", "data") from None
        opening, damaged = zstd.open, (EOFError, zstd.ZstdError)
    with cast(BinaryIO, opening(path)) as file:
        try:
            yield file
        except damaged as error:
            raise DamagedError(
                f"{name} is cut off or damaged (it cannot be unpacked to its end): fetch or copy it again"
            ) from error

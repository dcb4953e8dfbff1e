"""Standard input as a source: kept in the cache under its hash, so that it can be read again."""

from __future__ import annotations

import sys
from pathlib import Path

from groundup.errors import DataError
from groundup.text.cache import keep_by_hash
from groundup.text.formats import File

NAMES = {"-": ".txt", "-.jsonl": ".jsonl"}


def is_standard_input(source: str) -> bool:
    """`-` is plain text, `-.jsonl` one JSON object a line."""
    return source in NAMES


def keep_standard_input(source: str, cache: Path) -> File:
    """Read standard input to its end into the cache. Raises `DataError` when nobody writes to it."""
    stream = sys.stdin.buffer if sys.stdin is not None else None
    if stream is None or stream.isatty():
        raise DataError(f"data.source = {source!r} is standard input, where nothing comes from: write  … | groundup …")
    pieces = iter(lambda: stream.read(2**20), b"")
    target = keep_by_hash(cache / "standard-input", pieces, NAMES[source])
    return File("standard input", target, source, named=True, called="standard input")

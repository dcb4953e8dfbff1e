"""What every contender of the tokenizing benchmark does, whatever it encodes with. Imports the standard library only."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.throughput.protocol import answer, serve, shape

TASK = shape()
FOLDER = Path(TASK["folder"])
LINES = bool(TASK.get("lines"))
_text = Path(TASK["text"]).read_text(encoding="utf-8")
TRAINING_TEXT = _text
TEXT = (_text * (TASK["characters"] // len(_text) + 1))[: TASK["characters"]]
TEXTS = TEXT.splitlines(keepends=True) if LINES else [TEXT]


def encode_in_turn(encode: Callable[[], Iterable[Sequence[int]]]) -> None:
    """Tell a digest of all ids and where the texts end, so that they can be compared; then encode whenever asked."""
    digest, tokens = hashlib.sha256(), 0
    for ids in encode():
        digest.update(array("i", ids).tobytes() + b"|")
        tokens += len(ids)
    answer({"digest": digest.hexdigest(), "tokens": tokens})
    serve(encode)

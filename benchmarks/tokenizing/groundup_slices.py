"""Ours, as token stores are written: piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from benchmarks.tokenizing.slices import FOLDER, encode_slices
from numpy.typing import NDArray

from groundup.tokens.tokenizer import Tokenizer

tokenizer = Tokenizer.load(FOLDER)


def encode(texts: Sequence[str]) -> Iterator[NDArray[np.int32]]:
    for text in texts:
        yield from tokenizer.encode_pieces(text)


encode_slices(encode)

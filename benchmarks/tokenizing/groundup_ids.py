"""Our character tokenizer. AS=array gives arrays, as training takes them; otherwise lists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from benchmarks.tokenizing.task import FOLDER, TEXTS, encode_in_turn

from groundup.tokens.tokenizer import Tokenizer

tokenizer = Tokenizer.load(FOLDER)


def as_arrays() -> list[Any]:
    return [tokenizer.encode_array(text) for text in TEXTS]


def as_lists() -> Sequence[Sequence[int]]:
    return tokenizer.encode_batch(TEXTS)


encode_in_turn(as_arrays if os.environ.get("AS") == "array" else as_lists)

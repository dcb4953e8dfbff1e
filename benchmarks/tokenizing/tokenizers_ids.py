"""Hugging Face's tokenizers, with its own threads where there are many texts. FILE names the tokenizer."""

from __future__ import annotations

import os

from benchmarks.tokenizing.task import FOLDER, TEXTS, encode_in_turn
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(str(FOLDER / os.environ.get("FILE", "tokenizer.json")))


def encode() -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(TEXTS)]


encode_in_turn(encode)

"""Hugging Face's tokenizers on one thread. CALL=each asks for one document at a time, CALL=batch for all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from benchmarks.tokenizing.slices import FOLDER, encode_slices
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
tokenizer.encode_special_tokens = True


def encode(texts: Sequence[str]) -> Iterator[list[int]]:
    call = os.environ["CALL"]
    if call == "batch":
        yield from (encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts)))
        return
    for text in texts:
        if call == "each":
            yield tokenizer.encode_batch_fast([text])[0].ids
        else:
            yield tokenizer.encode(text).ids


encode_slices(encode)

"""Token stores: a split's documents as one long row of ids in a file, mapped into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import PREPARE_AGAIN, open_array, write_array
from groundup.tokens.tokenizer import Tokenizer

KIND = "tokens"


@dataclass(frozen=True)
class TokenStore:
    """The ids of a split, each document followed by the end token, and what they were counted from."""

    path: Path
    ids: NDArray[Any]
    """(tokens,) uint16 or uint32, read-only."""
    sha256: str
    """Of the ids as they lie in the file."""
    num_bytes: int
    """UTF-8 bytes of the text: what bits per byte are counted against."""
    num_documents: int
    num_unknown: int
    """How many ids stand for characters that the tokenizer doesn't have."""
    tokenizer_sha256: str
    first_piece: str
    """What the first token stands for, the one that nothing predicts."""

    @classmethod
    def open(cls, path: Path, verify: bool) -> TokenStore:
        """Open a store; with `verify`, read it through and compare its sha256. Raises `DataError` when it is
        damaged."""
        file = open_array(path, KIND, verify)
        header = file.header
        try:
            counts = {key: int(header[key]) for key in ["num_bytes", "num_documents", "num_unknown"]}
            texts = {key: str(header[key]) for key in ["tokenizer_sha256", "first_piece"]}
            facts: dict[str, Any] = {**counts, **texts}
            return cls(path, file.array, header["sha256"], **facts)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} has a damaged header: {PREPARE_AGAIN}") from error


def write_store(path: Path, texts: Iterable[str], tokenizer: Tokenizer) -> TokenStore:
    """Encode texts one at a time into a store, each followed by the end token if the tokenizer has one.

    The ids take two bytes each when the vocabulary allows it. The file appears whole or not at all.
    """
    counts = {"num_bytes": 0, "num_documents": 0, "num_unknown": 0}
    begins = {"first_piece": ""}
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], np.int32)

    def pieces() -> Iterator[NDArray[np.int32]]:
        for text in texts:
            begins["first_piece"] = begins["first_piece"] or tokenizer.first_piece(text)
            for ids in tokenizer.encode_pieces(text):
                counts["num_unknown"] += int(np.count_nonzero(ids == tokenizer.unknown_id))
                yield ids
            yield end
            counts["num_bytes"] += len(text.encode("utf-8"))
            counts["num_documents"] += 1

    dtype = "<u2" if tokenizer.vocab_size <= 2**16 else "<u4"
    write_array(path, KIND, dtype, pieces(), lambda: {**counts, **begins, "tokenizer_sha256": tokenizer.sha256})
    return TokenStore.open(path, verify=False)

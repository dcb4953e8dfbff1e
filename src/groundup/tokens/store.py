"""Token stores: a split's documents as one long row of ids in a file, mapped into memory, and beside it where each of them ends.

    train.tokens       the ids of all documents, each followed by the end token
    train.documents    where each document ends, counted from the beginning of the store; then each one's group

One file however large: it is mapped, not read, and written from front to back, so pieces of it would save nothing.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import PREPARE_AGAIN, open_array, write_array
from groundup.tokens.fill_in_the_middle import FillInTheMiddle
from groundup.tokens.tokenizer import Tokenizer

KIND, DOCUMENTS_KIND = "tokens", "documents"
DOCUMENTS_SUFFIX = ".documents"


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
    num_turned: int
    """How many documents, or pieces of them, have their middle last."""
    documents: NDArray[np.int64]
    """(2, documents): where each ends, and its group. A piece that is turned counts as a document."""
    documents_sha256: str

    @property
    def ends(self) -> NDArray[np.int64]:
        """(documents,) where each ends, its end token included."""
        ends: NDArray[np.int64] = self.documents[0]
        return ends

    @property
    def groups(self) -> NDArray[np.int64]:
        """(documents,) the number of the source, or of the language, that each is of."""
        groups: NDArray[np.int64] = self.documents[1]
        return groups

    @classmethod
    def open(cls, path: Path, verify: bool) -> TokenStore:
        """Open a store; with `verify`, read it through and compare its sha256. Raises `DataError` when it is
        damaged."""
        file = open_array(path, KIND, verify)
        index = open_array(path.with_suffix(DOCUMENTS_SUFFIX), DOCUMENTS_KIND, verify)
        header = file.header
        try:
            counts = {key: int(header[key]) for key in ["num_bytes", "num_documents", "num_unknown", "num_turned"]}
            texts = {key: str(header[key]) for key in ["tokenizer_sha256", "first_piece"]}
            facts: dict[str, Any] = {**counts, **texts}
            documents = index.array.reshape(2, -1)
            return cls(
                path,
                file.array,
                header["sha256"],
                documents=documents,
                documents_sha256=index.header["sha256"],
                **facts,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} has a damaged header: {PREPARE_AGAIN}") from error


def write_store(
    path: Path,
    texts: Iterable[str],
    tokenizer: Tokenizer,
    groups: Iterable[int] | None = None,
    middle: FillInTheMiddle | None = None,
    tags: Sequence[int] | None = None,
) -> TokenStore:
    """Encode texts one at a time into a store, each followed by the end token if the tokenizer has one.

    `groups`: the number of each text's group, 0 for all without it. `middle` turns some of them. `tags`: for
    each group, the id of a token that stands before each of its texts. The ids take two bytes each when the
    vocabulary allows it. Both files appear whole or not at all.
    """
    counts = {"num_bytes": 0, "num_documents": 0, "num_unknown": 0, "num_turned": 0}
    begins = {"first_piece": ""}
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], np.int32)
    ends, numbers = array("q"), array("q")  # of many millions, too

    def pieces() -> Iterator[NDArray[np.int32]]:
        written = 0
        for text, group in zip(texts, itertools.repeat(0) if groups is None else groups, strict=groups is not None):
            if tags is None:  # else the first token of all stands for no text
                begins["first_piece"] = begins["first_piece"] or tokenizer.first_piece(text)
            tag = np.array([] if tags is None else [tags[group]], np.int32)
            turned = middle is not None and middle.turns(text)
            parts: Iterable[Iterable[NDArray[np.int32]]] = [tokenizer.encode_pieces(text)]
            if middle is not None and turned:
                parts = ([ids] for ids in middle.documents(text))
            for part in parts:
                for ids in itertools.chain([tag], part, [end]):
                    counts["num_unknown"] += int(np.count_nonzero(ids == tokenizer.unknown_id))
                    written += ids.size
                    yield ids
                ends.append(written)
                numbers.append(group)
                counts["num_turned"] += turned
            counts["num_bytes"] += len(text.encode("utf-8"))
            counts["num_documents"] += 1

    dtype = "<u2" if tokenizer.vocab_size <= 2**16 else "<u4"
    write_array(path, KIND, dtype, pieces(), lambda: {**counts, **begins, "tokenizer_sha256": tokenizer.sha256})
    columns = [np.array(ends, np.int64), np.array(numbers, np.int64)]
    write_array(path.with_suffix(DOCUMENTS_SUFFIX), DOCUMENTS_KIND, "<i8", columns, dict)
    return TokenStore.open(path, verify=False)

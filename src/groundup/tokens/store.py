"""Token stores: a split's documents as one long sequence of ids, in numbered files that are mapped into memory.

    train-00000.tokens       the ids of the first documents, each followed by the end token
    train-00000.documents    where each of these ends, counted from the beginning of the store; then each one's group. Written when
                             the ids are: without it the shard doesn't count
    train.json               the hashes of all shards, written at the end: without it the store isn't whole

A shard ends with a document, once it has `SHARD_TOKENS`. A process that was killed goes on behind the last whole one (write_store.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.files import NOT_THERE, sha256_text
from groundup.tokens.array_file import PREPARE_AGAIN, ArrayFile, open_array
from groundup.tokens.sharded_ids import TokenIds, one_sequence

KIND, DOCUMENTS_KIND = "tokens", "documents"
COUNTS = ("num_bytes", "num_documents", "num_unknown", "num_turned")


class Shard(NamedTuple):
    """An open shard."""

    tokens: ArrayFile
    documents: ArrayFile

    @property
    def hashes(self) -> list[str]:
        """Of its ids, and of its documents."""
        return [self.tokens.header["sha256"], self.documents.header["sha256"]]


@dataclass(frozen=True)
class TokenStore:
    """The ids of a split, each document followed by the end token, and what they were counted from."""

    path: Path
    """The file that names the shards."""
    ids: TokenIds
    """(tokens,) uint16 or uint32, read-only."""
    sha256: str
    """Of the ids as they lie in the files, one behind the other."""
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
        """Open a store; with `verify`, read it through and compare its hashes. Raises `DataError`, which names the file, when one is
        damaged or missing."""
        try:
            index = json.loads(path.read_bytes())
            sha256, hashes = str(index["sha256"]), [list(shard) for shard in index["shards"]]
            if not hashes:
                raise ValueError
        except (*NOT_THERE, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is missing or damaged: {PREPARE_AGAIN}") from error
        shards = [open_shard(path, number, verify) for number in range(len(hashes))]
        for shard, expected in zip(shards, hashes, strict=True):
            if shard.hashes != expected:
                raise DataError(f"{shard.tokens.path} is not the one that {path.name} was written for: {PREPARE_AGAIN}")
        return cls(
            path,
            one_sequence([shard.tokens.array for shard in shards]),
            sha256,
            documents=_documents(shards),
            documents_sha256=_together([shard.documents.header["sha256"] for shard in shards]),
            **_counts(shards),
        )


def shard_file(path: Path, number: int, kind: str) -> Path:
    """`train-00012.tokens` and the like, for a store at `train.json`."""
    return path.with_name(f"{path.stem}-{number:05d}.{kind}")


def open_shard(path: Path, number: int, verify: bool) -> Shard:
    """Open one shard of the store at `path`. Raises `DataError` when it is damaged, or its files don't belong together."""
    tokens = open_array(shard_file(path, number, KIND), KIND, verify)
    documents = open_array(shard_file(path, number, DOCUMENTS_KIND), DOCUMENTS_KIND, verify)
    try:
        _counts([Shard(tokens, documents)])
        documents.array.reshape(2, -1)
        if documents.header["tokens_sha256"] != tokens.header["sha256"]:
            raise DataError(f"{documents.path} does not belong to {tokens.path.name}: {PREPARE_AGAIN}")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{tokens.path} or {documents.path.name} has a damaged header: {PREPARE_AGAIN}") from error
    return Shard(tokens, documents)


def _counts(shards: Sequence[Shard]) -> dict[str, Any]:
    """What the shards' headers say of their text, added up."""
    headers = [shard.tokens.header for shard in shards]
    counts: dict[str, Any] = {name: sum(int(header[name]) for header in headers) for name in COUNTS}
    pieces = [str(header["first_piece"]) for header in headers]
    counts["first_piece"] = next(filter(None, pieces), "")  # a document may be empty
    counts["tokenizer_sha256"] = str(headers[0]["tokenizer_sha256"])
    return counts


def _documents(shards: Sequence[Shard]) -> NDArray[np.int64]:
    """(2, documents): mapped, if there is one shard, else in memory."""
    parts = [shard.documents.array.reshape(2, -1) for shard in shards]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _together(hashes: Sequence[str]) -> str:
    return hashes[0] if len(hashes) == 1 else sha256_text(json.dumps(hashes))

"""Documents on the disk: shards of JSON lines that a person can read, and an index of what each document is.

    documents-00000.jsonl   one document a line: id, text, source, license, origin, metadata
    index-00000.npy         a row a document, in the same order: where its line is, how long it is, its hash
    removed-00000.jsonl     one dropped document a line: id, source, reason, detail
    signatures-00000.npy    (documents, permutations) for near-duplicates, when those are looked for
    shard-00000.json        written last: counts, and the hashes of the files above; without it the shard doesn't count
    documents.json          written at the end: all counts, sources; without it the store isn't whole

Everything is plain JSON and numbers: nothing in it can be executed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.files import NOT_THERE, replacing, sha256_file, sha256_text
from groundup.text.document import Document

INDEX = np.dtype(
    [
        ("shard", "<u4"),
        ("offset", "<i8"),
        ("source", "<u4"),
        ("characters", "<i8"),
        ("num_bytes", "<i8"),
        ("sha256", "V32"),
    ]
)
"""A document's line, its source's place in the list of sources, its text's length in characters and UTF-8 bytes, its hash."""
STORE_FILE = "documents.json"
PREPARE_AGAIN = "delete it, so that the text is read again"


def shard_file(directory: Path, kind: str, number: int, suffix: str) -> Path:
    """`documents-00012.jsonl` and the like."""
    return directory / f"{kind}-{number:05d}{suffix}"


def write_shard(
    directory: Path,
    number: int,
    documents: Sequence[Document],
    sources: Sequence[str],
    removed: Sequence[dict[str, str]],
    signatures: NDArray[Any] | None,
    facts: dict[str, Any],
) -> None:
    """Write one shard; `facts` is what else is to be known of it. Its last file appears when all the others are whole."""
    index = np.zeros(len(documents), INDEX)
    places = {name: place for place, name in enumerate(sources)}
    known: dict[str, dict[str, Any]] = {}
    files = [shard_file(directory, "documents", number, ".jsonl"), shard_file(directory, "index", number, ".npy")]
    with replacing(files[0]) as file:
        for row, document in zip(index, documents, strict=True):
            text = _utf8(document)
            row["shard"], row["offset"], row["source"] = number, file.tell(), places[document.source]
            row["characters"], row["num_bytes"] = len(document.text), len(text)
            row["sha256"] = np.void(hashlib.sha256(text).digest())
            file.write(document_line(document))
            of_source = known.setdefault(document.source, {"origin": document.origin, "licenses": {}})
            of_source["licenses"][document.license] = of_source["licenses"].get(document.license, 0) + 1
    with replacing(files[1]) as file:
        np.save(file, index, allow_pickle=False)
    files.append(shard_file(directory, "removed", number, ".jsonl"))
    with replacing(files[2]) as file:
        file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in removed)
    if signatures is not None:
        files.append(shard_file(directory, "signatures", number, ".npy"))
        with replacing(files[3]) as file:
            np.save(file, signatures, allow_pickle=False)
    hashes = {file.name: sha256_file(file) for file in files}
    with replacing(shard_file(directory, "shard", number, ".json")) as file:
        file.write(json.dumps({"hashes": hashes, "sources": known, **facts}, ensure_ascii=False).encode())


def read_shard_facts(directory: Path, number: int) -> dict[str, Any] | None:
    """What `write_shard` was told, if the shard is whole; else None."""
    try:
        facts: dict[str, Any] = json.loads(shard_file(directory, "shard", number, ".json").read_bytes())
        whole = all(sha256_file(directory / name) == digest for name, digest in facts["hashes"].items())
    except (*NOT_THERE, ValueError, KeyError, AttributeError):
        return None
    return facts if whole else None


@dataclass(frozen=True)
class DocumentStore:
    """A whole store."""

    directory: Path
    index: NDArray[Any]
    """(documents,) of `INDEX`, in the order in which they were read."""
    num_shards: int
    facts: dict[str, Any]
    """What `documents.json` holds: the sources and the tally."""

    @property
    def sha256(self) -> str:
        """Of all documents: of their shards' hashes."""
        return str(self.facts["sha256"])

    @classmethod
    def open(cls, directory: Path) -> DocumentStore:
        """Open a store and compare every file with its hash. Raises `DataError` when anything is missing or damaged."""
        try:
            facts = json.loads((directory / STORE_FILE).read_bytes())
            num_shards = int(facts["num_shards"])
        except (*NOT_THERE, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{directory / STORE_FILE} is missing or damaged: {PREPARE_AGAIN}") from error
        indices: list[NDArray[Any]] = []
        for number in range(num_shards):
            if read_shard_facts(directory, number) is None:
                raise DataError(f"{shard_file(directory, 'documents', number, '.jsonl')} is damaged: {PREPARE_AGAIN}")
            file = shard_file(directory, "index", number, ".npy")
            indices.append(
                np.load(file, mmap_mode="r", allow_pickle=False)
            )  # in memory once only, when they are joined
        return cls(directory, np.concatenate([np.zeros(0, INDEX), *indices]), num_shards, facts)

    @property
    def digests(self) -> NDArray[np.uint8]:
        """(documents, 32) each text's SHA-256, as it lies in the index."""
        dtype, offset = self.index.dtype["sha256"], INDEX.fields["sha256"][1]  # type: ignore[index]
        rows = self.index.view(np.uint8).reshape(len(self.index), INDEX.itemsize)
        return rows[:, offset : offset + dtype.itemsize]

    def documents(self, chosen: NDArray[np.bool_] | None = None) -> Iterator[Document]:
        """The documents, or those where `chosen` (documents,) is true, in order, one in memory at a time."""
        place = 0
        for number in range(self.num_shards):
            with shard_file(self.directory, "documents", number, ".jsonl").open("rb") as file:
                for line in file:
                    if chosen is None or chosen[place]:
                        yield Document(**json.loads(line))
                    place += 1

    def removed(self) -> Iterator[dict[str, str]]:
        """What was dropped before the documents came here, and why."""
        for number in range(self.num_shards):
            with shard_file(self.directory, "removed", number, ".jsonl").open("rb") as file:
                yield from map(json.loads, file)

    def signatures(self) -> list[NDArray[Any]]:
        """The shards' signatures, mapped into memory."""
        files = [shard_file(self.directory, "signatures", number, ".npy") for number in range(self.num_shards)]
        return [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]


def finish_store(directory: Path, num_shards: int, sources: Sequence[str], facts: dict[str, Any]) -> None:
    """Write `documents.json` over the shards that were made: with it the store is whole. `facts` is what else is to be known.

    Raises `DataError` when one of them has changed meanwhile.
    """
    shards: list[dict[str, Any]] = []
    for number in range(num_shards):
        shard = read_shard_facts(directory, number)
        if shard is None:
            raise DataError(f"{shard_file(directory, 'shard', number, '.json')} is damaged: try again")
        shards.append(shard)
    known: dict[str, Any] = {}
    for shard in shards:
        for name, of_source in shard["sources"].items():
            mine = known.setdefault(name, {"origin": of_source["origin"], "licenses": {}})
            for license, count in of_source["licenses"].items():
                mine["licenses"][license] = mine["licenses"].get(license, 0) + count
    hashes = json.dumps(
        [
            shard["hashes"][shard_file(directory, "documents", number, ".jsonl").name]
            for number, shard in enumerate(shards)
        ]
    )
    whole = {
        "num_shards": len(shards),
        "sha256": sha256_text(hashes),
        "sources": {name: known.get(name, {"origin": "", "licenses": {}}) for name in sources},
        **facts,
    }
    with replacing(directory / STORE_FILE) as file:
        file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode())


def store_documents(documents: Iterable[Document], directory: Path) -> DocumentStore:
    """Documents that are in memory as a store, in one shard: for those who have texts and no files."""
    listed = list(documents)
    directory.mkdir(parents=True, exist_ok=True)
    sources = list(dict.fromkeys(document.source for document in listed))
    write_shard(directory, 0, listed, sources, [], None, {})
    repairs = Counter(repair for document in listed for repair in document.repairs)
    finish_store(directory, 1, sources, {"tally": {"changed": dict(repairs)}, "said": []})
    return DocumentStore.open(directory)


def _utf8(document: Document) -> bytes:
    try:
        return document.text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"{document.source}, document {document.id!r}, holds U+{ord(document.text[error.start]):04X}, half of a surrogate pair, "
            f"which no valid Unicode text holds: remove it, or replace it by U+FFFD"
        ) from None


def document_line(document: Document) -> bytes:
    """A document as a line of JSON; what is empty is left out."""
    values = {
        "id": document.id,
        "text": document.text,
        "source": document.source,
        "license": document.license,
        "origin": document.origin,
        "metadata": dict(document.metadata),
    }
    written = {key: value for key, value in values.items() if value or key in ("id", "text", "source", "license")}
    return json.dumps(written, ensure_ascii=False).encode("utf-8") + b"\n"

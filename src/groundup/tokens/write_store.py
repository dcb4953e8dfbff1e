"""From texts to a token store, shard by shard."""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.files import replacing
from groundup.tokens.array_file import sha256_of_payloads, write_array
from groundup.tokens.fill_in_the_middle import FillInTheMiddle
from groundup.tokens.store import COUNTS, DOCUMENTS_KIND, KIND, Shard, TokenStore, open_shard, shard_file
from groundup.tokens.tokenizer import Tokenizer

SHARD_TOKENS = 2**25
"""How many a shard has before the next begins: 64 or 128 MB, some ten seconds of work."""


def write_store(
    path: Path,
    texts: Iterable[str],
    tokenizer: Tokenizer,
    groups: Iterable[int] | None = None,
    middle: FillInTheMiddle | None = None,
    tags: Sequence[int] | None = None,
    go_on: bool = False,
) -> TokenStore:
    """Encode texts one at a time into the store at `path` (`….json`), each followed by the end token if the tokenizer has one.

    `groups`: the number of each text's group, 0 for all without it. `middle` turns some of them. `tags`: for
    each group, the id of a token that stands before each of its texts. The ids take two bytes each when the
    vocabulary allows it. Each file appears whole or not at all, and `path` when all the others have. With `go_on`, shards that are there
    whole are kept, so it must be the same texts that they were begun with; else they are written anew.
    """
    given = zip(texts, itertools.repeat(0) if groups is None else groups, strict=groups is not None)
    shards = _whole_shards(path, tokenizer) if go_on else []
    done = sum(int(shard.tokens.header["num_documents"]) for shard in shards)
    for _ in itertools.islice(given, done):
        pass
    encode = _Encoder(tokenizer, middle, tags)
    first = next(given, None)
    while first is not None or not shards:
        rest = given if first is None else itertools.chain([first], given)
        begin = sum(len(shard.tokens.array) for shard in shards)
        shards.append(_write_shard(path, len(shards), rest, encode, begin))
        first = next(given, None)
    sha256 = shards[0].tokens.header["sha256"]
    if len(shards) > 1:
        sha256 = sha256_of_payloads([shard.tokens.path for shard in shards])
    with replacing(path) as file:
        file.write(json.dumps({"sha256": sha256, "shards": [shard.hashes for shard in shards]}, indent=1).encode())
    return TokenStore.open(path, verify=False)


class _Encoder:
    """The ids of one text after the other."""

    def __init__(self, tokenizer: Tokenizer, middle: FillInTheMiddle | None, tags: Sequence[int] | None) -> None:
        self.tokenizer, self.middle, self.tags = tokenizer, middle, tags
        self.end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], np.int32)

    def first_piece(self, text: str) -> str:
        """What the first token of a text stands for; a tag stands for none of it."""
        return self.tokenizer.first_piece(text) if self.tags is None else ""

    def documents(self, text: str, group: int) -> Iterator[tuple[Iterable[NDArray[np.int32]], bool]]:
        """The documents that a text becomes: one, or some if its middle is put last. Each as pieces of ids, its end the last of them,
        and whether it was turned."""
        tag = np.array([] if self.tags is None else [self.tags[group]], np.int32)
        if self.middle is not None and self.middle.turns(text):
            for ids in self.middle.documents(text):
                yield (tag, ids, self.end), True
        else:
            yield itertools.chain([tag], self.tokenizer.encode_pieces(text), [self.end]), False


def _write_shard(path: Path, number: int, given: Iterator[tuple[str, int]], encode: _Encoder, begin: int) -> Shard:
    """The next shard, of texts and their groups; it takes of `given` what it needs. `begin`: how many tokens lie before it."""
    counts, begins = dict.fromkeys(COUNTS, 0), {"first_piece": ""}
    ends, numbers = array("q"), array("q")  # of many, too
    unknown_id = encode.tokenizer.unknown_id

    def pieces() -> Iterator[NDArray[np.int32]]:
        written = 0
        for text, group in given:
            begins["first_piece"] = begins["first_piece"] or encode.first_piece(text)
            for document, turned in encode.documents(text, group):
                for ids in document:
                    counts["num_unknown"] += int(np.count_nonzero(ids == unknown_id))
                    written += ids.size
                    yield ids
                ends.append(begin + written)
                numbers.append(group)
                counts["num_turned"] += turned
            counts["num_bytes"] += len(text.encode("utf-8"))
            counts["num_documents"] += 1
            if written >= SHARD_TOKENS:
                return

    tokenizer = encode.tokenizer
    dtype = "<u2" if tokenizer.vocab_size <= 2**16 else "<u4"
    facts = {"tokenizer_sha256": tokenizer.sha256}
    file = shard_file(path, number, DOCUMENTS_KIND)
    file.unlink(missing_ok=True)  # of other ids, should there be one
    tokens = write_array(shard_file(path, number, KIND), KIND, dtype, pieces(), lambda: {**counts, **begins, **facts})
    columns = [np.array(ends, np.int64), np.array(numbers, np.int64)]
    write_array(file, DOCUMENTS_KIND, "<i8", columns, lambda: {"tokens_sha256": tokens, "begin": begin})
    return open_shard(path, number, verify=False)


def _whole_shards(path: Path, tokenizer: Tokenizer) -> list[Shard]:
    """The shards that an interrupted process left whole, from the first on, each compared with its hashes."""
    shards: list[Shard] = []
    begin = 0
    while True:
        try:
            shard = open_shard(path, len(shards), verify=True)
        except DataError:
            return shards
        there = [shard.tokens.header["tokenizer_sha256"], shard.documents.header.get("begin")]
        if there != [tokenizer.sha256, begin]:
            return shards
        shards.append(shard)
        begin += len(shard.tokens.array)

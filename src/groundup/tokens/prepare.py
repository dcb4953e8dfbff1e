"""From documents to what training reads: split, tokenizer, token stores and sample plan, kept by their content."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.errors import DataError, TokenizerError
from groundup.files import replacing, sha256_text
from groundup.text.cache import unwritable
from groundup.text.catalogue import CATALOGUE
from groundup.text.settings import DataSettings
from groundup.text.sources import Document, Say, count_repairs
from groundup.text.splits import resolve_split, split_documents
from groundup.tokens.existing import read_tokenizer
from groundup.tokens.plan import SamplePlan, make_plan
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.store import TokenStore, write_store
from groundup.tokens.tokenizer import CONFIG_FILE, Tokenizer
from groundup.tokens.train import train_tokenizer

FORMAT_VERSION = 4
FACTS_FILE, TRAIN_FILE, VALIDATION_FILE, PLAN_FILE = (
    "prepared.json",
    "train.tokens",
    "validation.tokens",
    "plan.windows",
)
UNKNOWN_SHOWN = 10
UNKNOWN_KEPT = 1000


@dataclass(frozen=True)
class PreparedData:
    """Everything that training and evaluation read."""

    directory: Path
    tokenizer: Tokenizer
    train: TokenStore
    validation: TokenStore
    plan: SamplePlan
    facts: Mapping[str, Any]
    """What was prepared from what, in numbers and hashes, as JSON values: it goes into the run's manifest."""


def prepare(
    documents: Sequence[Document],
    data: DataSettings,
    tokenizer: TokenizerSettings,
    sequence_length: int,
    batch_size: int,
    cache: Path,
    say: Say,
) -> PreparedData:
    """Split the documents, train the tokenizer on the training split alone, write token stores and the sample plan.

    The result lies in the cache under a hash of all that went in. It is reused when it is whole and made again when
    it isn't; processes that prepare the same data at once wait for the first of them. `sequence_length` is T, the
    tokens that a sample predicts; `batch_size` is only checked against the data. `say` is told of a repair of the
    cache and of unknown characters or words. Raises `DataError` when there is too little text, `MachineError` when the cache
    cannot be written.
    """
    _require_two_characters(documents)
    key = _key(documents, data, tokenizer, sequence_length)
    directory = cache / "prepared" / key
    with _lock(directory):
        prepared = _reuse(directory, say)
        if prepared is None:
            _make(directory, documents, data, tokenizer, sequence_length)
            prepared = _open(directory)
    _require_batch(prepared, sequence_length, batch_size)
    _say_unknown(prepared.facts, tokenizer, say)
    return prepared


def _require_two_characters(documents: Sequence[Document]) -> None:
    characters = sum(len(document.text) for document in documents)
    if characters < 2:
        noun = "character" if characters == 1 else "characters"
        raise DataError(f"the text has {characters} {noun}, too few to hold any out: add text to data.source")


def _key(documents: Sequence[Document], data: DataSettings, tokenizer: TokenizerSettings, sequence_length: int) -> str:
    """A hash over all that decides what is written, the names and origins in the facts included."""
    described = [{**dataclasses.asdict(document), "text": _sha256(document.text)} for document in documents]
    settings = {"split": data.split, "validation_fraction": data.validation_fraction, **dataclasses.asdict(tokenizer)}
    if tokenizer.kind == "existing":  # what lies at its path may change
        there = read_tokenizer(Path(tokenizer.path))
        settings |= {"tokenizer": there.sha256, "special_ids": [there.end_id, there.pad_id, there.unknown_id]}
    return _sha256(json.dumps([FORMAT_VERSION, described, settings, sequence_length]))[:32]


def _sha256(text: str) -> str:
    try:
        return sha256_text(text)
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"a text holds U+{ord(text[error.start]):04X}, half of a surrogate pair, "
            f"which no valid Unicode text holds: remove it, or replace it by U+FFFD"
        ) from None


@contextlib.contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Let one process at a time work on a directory of the cache. However a process ends, its lock ends with it."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with directory.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise unwritable(directory, error) from error


def _reuse(directory: Path, say: Say) -> PreparedData | None:
    """What was prepared before, checked byte by byte; None when there is none, or when it is damaged, which is said."""
    if not directory.exists():
        return None
    try:
        return _open(directory)
    except (DataError, TokenizerError) as error:
        say(f"warning: the prepared data is damaged and is prepared again: {error}")
        return None


def _open(directory: Path) -> PreparedData:
    """Open and verify a prepared directory. Raises `DataError` or `TokenizerError` when anything in it is damaged."""
    try:
        facts = json.loads((directory / FACTS_FILE).read_text(encoding="utf-8"))
        hashes = facts.pop("hashes")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{directory / FACTS_FILE} is missing or damaged") from error
    prepared = PreparedData(
        directory,
        Tokenizer.load(directory),
        TokenStore.open(directory / TRAIN_FILE, verify=True),
        TokenStore.open(directory / VALIDATION_FILE, verify=True),
        SamplePlan.open(directory / PLAN_FILE, verify=True),
        facts,
    )
    try:
        found = _hashes(prepared)
    except (OSError, ValueError) as error:
        raise DataError(f"{directory / CONFIG_FILE} is missing or damaged") from error
    if found != hashes:
        raise DataError(f"{directory} holds files that do not belong together")
    return prepared


def _hashes(prepared: PreparedData) -> dict[str, str]:
    config = (prepared.directory / CONFIG_FILE).read_text(encoding="utf-8")
    return {
        "facts": _sha256(json.dumps(prepared.facts)),
        "tokenizer_config": _sha256(config),
        "tokenizer": prepared.tokenizer.sha256,
        "train_tokens": prepared.train.sha256,
        "validation_tokens": prepared.validation.sha256,
        "plan": prepared.plan.sha256,
    }


def _make(
    directory: Path,
    documents: Sequence[Document],
    data: DataSettings,
    settings: TokenizerSettings,
    sequence_length: int,
) -> None:
    """Prepare into a temporary directory beside the final one and rename it: the final one is whole, or isn't there."""
    prefix = f".{directory.name}-"
    for leftover in directory.parent.glob(f"{prefix}*"):  # of a process that was killed: we hold the lock
        shutil.rmtree(leftover)
    temporary = directory.with_name(f"{prefix}{os.getpid()}")
    temporary.mkdir()
    try:
        train, validation = split_documents(documents, data)
        tokenizer = train_tokenizer((document.text for document in train), settings)
        tokenizer.save(temporary)
        train_store = write_store(temporary / TRAIN_FILE, (document.text for document in train), tokenizer)
        validation_store = write_store(
            temporary / VALIDATION_FILE, (document.text for document in validation), tokenizer
        )
        _require_window(len(train_store.ids), sequence_length)
        plan = make_plan(len(train_store.ids), sequence_length)
        plan.save(temporary / PLAN_FILE)
        prepared = PreparedData(temporary, tokenizer, train_store, validation_store, plan, {})
        facts = _facts(documents, train, validation, prepared, data, settings)
        prepared = dataclasses.replace(prepared, facts=facts)
        with replacing(temporary / FACTS_FILE) as file:
            file.write(json.dumps({**facts, "hashes": _hashes(prepared)}, indent=2, ensure_ascii=False).encode())
        if directory.exists():
            shutil.rmtree(directory)
        os.rename(temporary, directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _require_window(num_tokens: int, sequence_length: int) -> None:
    if num_tokens < sequence_length + 1:
        raise DataError(
            f"model.max_seq_len = {sequence_length} is longer than the training text's {num_tokens:,} tokens: "
            f"use a value of at most {max(1, num_tokens - 1)}, or add text to data.source"
        )


def _require_batch(prepared: PreparedData, sequence_length: int, batch_size: int) -> None:
    num_tokens, needed = len(prepared.train.ids), batch_size * sequence_length + 1
    if num_tokens < needed:
        raise DataError(
            f"the training text's {num_tokens:,} tokens are fewer than one batch of {needed:,} "
            f"(training.batch_size = {batch_size} times model.max_seq_len = {sequence_length}, plus 1): "
            f"lower one of the two, or add text to data.source"
        )


def _facts(
    documents: Sequence[Document],
    train: Sequence[Document],
    validation: Sequence[Document],
    prepared: PreparedData,
    data: DataSettings,
    settings: TokenizerSettings,
) -> dict[str, Any]:
    splits = {"train": train, "validation": validation}
    stores = {"train": prepared.train, "validation": prepared.validation}
    whole = resolve_split(documents, data) == "documents"
    return {
        "sources": [
            _source_facts(source, documents) for source in dict.fromkeys(document.source for document in documents)
        ],
        "documents": {name: len(split) for name, split in splits.items()},
        "bytes": {name: store.num_bytes for name, store in stores.items()},
        "characters": {name: sum(len(document.text) for document in split) for name, split in splits.items()},
        "tokens": {name: len(store.ids) for name, store in stores.items()},
        "unknown_tokens": {name: store.num_unknown for name, store in stores.items()},
        "unknown_pieces": _unknown_pieces(validation, prepared.tokenizer),
        "split": resolve_split(documents, data),
        "validation_fraction": data.validation_fraction,
        "tokenizer": {**settings.used(), "vocab_size": prepared.tokenizer.vocab_size},
        "encoding": _encoding_facts(prepared.tokenizer),
        "validation_documents": [document.name for document in validation] if whole else [],
        "repairs": count_repairs(list(documents)),
    }


def _encoding_facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """Whether the quick engine encoded the text, and on how many samples its ids were held against the library's."""
    engine = tokenizer.engine
    return {"samples_compared": engine.samples, "mismatch": engine.mismatch} if engine else {}


def _source_facts(source: str, documents: Sequence[Document]) -> dict[str, Any]:
    mine = [document for document in documents if document.source == source]
    hashes = [_sha256(document.text) for document in mine]
    facts = {
        "name": source,
        "origin": mine[0].origin or source,
        "license": mine[0].license,
        "bytes": sum(len(document.text.encode()) for document in mine),
        "sha256": hashes[0]
        if len(hashes) == 1
        else _sha256("\n".join(hashes)),  # of the text, or of its documents' hashes
        "documents": len(mine),
    }
    if mine[0].origin:
        facts["archive_sha256"] = CATALOGUE[source].sha256
    return facts


def _unknown_pieces(validation: Sequence[Document], tokenizer: Tokenizer) -> dict[str, int]:
    """How often each character or word that becomes the unknown token occurs: of the most frequent, these first."""
    counts = Counter(piece for document in validation for piece in tokenizer.unknown_pieces(document.text))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:UNKNOWN_KEPT])


def _say_unknown(facts: Mapping[str, Any], settings: TokenizerSettings, say: Say) -> None:
    if facts["encoding"].get("mismatch"):
        say(
            f"warning: tiktoken and tokenizers cut {facts['encoding']['mismatch']!r} differently: from this text on the ids are "
            f"those of tokenizers, which is slower"
        )
    counts: Mapping[str, int] = facts["unknown_pieces"]
    if not counts:
        return
    total, tokens = facts["unknown_tokens"]["validation"], facts["tokens"]["validation"]
    shown = ", ".join([_describe(piece) for piece in list(counts)[:UNKNOWN_SHOWN]])
    more = f" and {len(counts) - UNKNOWN_SHOWN:,} more" if len(counts) > UNKNOWN_SHOWN else ""
    if settings.kind == "character":
        say(
            f"warning: {total:,} character{'s' if total != 1 else ''} of the validation text never occur in the training "
            f"text and become <|unk|>: {shown}{more}; tokenizer.byte_fallback = true would keep them"
        )
    elif settings.kind == "existing":
        say(
            f"warning: {total:,} of the validation text's {tokens:,} tokens are unknown to the tokenizer at {settings.path}: "
            f"{shown}{more}; another tokenizer, of bytes, would keep them"
        )
    else:
        say(
            f"warning: {total:,} of the validation text's {tokens:,} words and signs are not in the tokenizer's vocabulary and become "
            f"<|unk|>: {shown}{more}. Nobody has to spell these, so loss and bits per byte look better than they are: raise "
            "tokenizer.vocab_size, lower tokenizer.min_frequency, or use tokenizer.kind = bpe, which has no unknowns"
        )


def _describe(piece: str) -> str:
    return f"U+{ord(piece):04X} {unicodedata.name(piece, 'unnamed')}" if len(piece) == 1 else repr(piece)

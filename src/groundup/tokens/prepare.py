"""From documents to what training reads: split, tokenizer, token stores and sample plan, kept by their content."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.errors import DataError, TokenizerError
from groundup.files import replacing, sha256_text
from groundup.text.catalogue import CATALOGUE
from groundup.text.collect import locked
from groundup.text.decode import BYTE_ORDER_MARK_REPAIR, LINE_ENDING_REPAIR
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore
from groundup.text.selection import select
from groundup.text.settings import DataSettings
from groundup.text.sources import Say
from groundup.text.splits import Split, plan_split
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
DOCUMENTS_NAMED = 1000
REPAIRS = (BYTE_ORDER_MARK_REPAIR, LINE_ENDING_REPAIR)


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
    store: DocumentStore,
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
    _require_two_characters(store)
    key = _key(store, data, tokenizer, sequence_length)
    directory = cache / "prepared" / key
    with locked(directory):
        prepared = _reuse(directory, say)
        if prepared is None:
            _make(directory, store, data, tokenizer, sequence_length)
            prepared = _open(directory)
    _require_batch(prepared, sequence_length, batch_size)
    _say_unknown(prepared.facts, tokenizer, say)
    return prepared


def _require_two_characters(store: DocumentStore) -> None:
    characters = int(store.index["characters"].sum())
    if characters < 2:
        noun = "character" if characters == 1 else "characters"
        raise DataError(f"the text has {characters} {noun}, too few to hold any out: add text to data.source")


def _key(store: DocumentStore, data: DataSettings, tokenizer: TokenizerSettings, sequence_length: int) -> str:
    """A hash over all that decides what is written, the names and origins in the facts included."""
    settings = {
        "split": data.split,
        "validation_fraction": data.validation_fraction,
        "duplicates": dataclasses.asdict(data.duplicates),
        **dataclasses.asdict(tokenizer),
    }
    if tokenizer.kind == "existing":  # what lies at its path may change
        there = read_tokenizer(Path(tokenizer.path))
        settings |= {"tokenizer": there.sha256, "special_ids": [there.end_id, there.pad_id, there.unknown_id]}
    described = [store.sha256, store.facts["sources"], store.facts["tally"]["changed"]]
    return sha256_text(json.dumps([FORMAT_VERSION, described, settings, sequence_length]))[:32]


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
        "facts": sha256_text(json.dumps(prepared.facts)),
        "tokenizer_config": sha256_text(config),
        "tokenizer": prepared.tokenizer.sha256,
        "train_tokens": prepared.train.sha256,
        "validation_tokens": prepared.validation.sha256,
        "plan": prepared.plan.sha256,
    }


def _make(
    directory: Path,
    store: DocumentStore,
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
        selection = select(store, data.duplicates)
        split = plan_split(store, selection, data)
        tokenizer = train_tokenizer((document.text for document in split.train_documents(store)), settings)
        tokenizer.save(temporary)
        texts = (document.text for document in split.train_documents(store))
        train_store = write_store(temporary / TRAIN_FILE, texts, tokenizer)
        texts = (document.text for document in split.validation_documents(store))
        validation_store = write_store(temporary / VALIDATION_FILE, texts, tokenizer)
        _require_window(len(train_store.ids), sequence_length)
        plan = make_plan(len(train_store.ids), sequence_length)
        plan.save(temporary / PLAN_FILE)
        prepared = PreparedData(temporary, tokenizer, train_store, validation_store, plan, {})
        facts = _facts(store, split, prepared, data, settings)
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
    store: DocumentStore, split: Split, prepared: PreparedData, data: DataSettings, settings: TokenizerSettings
) -> dict[str, Any]:
    stores = {"train": prepared.train, "validation": prepared.validation}
    named = split.validation_documents(store) if split.kind == "documents" else iter(())
    changed = store.facts["tally"]["changed"]
    return {
        "sources": [_source_facts(place, name, store) for place, name in enumerate(store.facts["sources"])],
        "documents": {"train": int(split.train.sum()), "validation": int(split.validation.sum())},
        "bytes": {name: store.num_bytes for name, store in stores.items()},
        "characters": split.characters(store.index),
        "tokens": {name: len(store.ids) for name, store in stores.items()},
        "unknown_tokens": {name: store.num_unknown for name, store in stores.items()},
        "unknown_pieces": _unknown_pieces(split.validation_documents(store), prepared.tokenizer),
        "split": split.kind,
        "validation_fraction": data.validation_fraction,
        "tokenizer": {**settings.used(), "vocab_size": prepared.tokenizer.vocab_size},
        "encoding": _encoding_facts(prepared.tokenizer),
        "validation_documents": [document.id for document in itertools.islice(named, DOCUMENTS_NAMED)],
        "repairs": {repair: changed[repair] for repair in REPAIRS if repair in changed},
    }


def _encoding_facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """Whether the quick engine encoded the text, and on how many samples its ids were held against the library's."""
    engine = tokenizer.engine
    return {"samples_compared": engine.samples, "mismatch": engine.mismatch} if engine else {}


def _source_facts(place: int, name: str, store: DocumentStore) -> dict[str, Any]:
    known = store.facts["sources"][name]
    mine = store.index[store.index["source"] == place]
    hashes = [bytes(digest).hex() for digest in mine["sha256"]]
    facts = {
        "name": name,
        "origin": known["origin"] or name,
        "license": ", ".join(known["licenses"]) or "unknown",
        "bytes": int(mine["num_bytes"].sum()),
        "sha256": hashes[0]
        if len(hashes) == 1
        else sha256_text("\n".join(hashes)),  # of the text, or of its documents' hashes
        "documents": len(mine),
    }
    if known["origin"] and CATALOGUE[name].sha256:
        facts["archive_sha256"] = CATALOGUE[name].sha256
    return facts


def _unknown_pieces(validation: Iterable[Document], tokenizer: Tokenizer) -> dict[str, int]:
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

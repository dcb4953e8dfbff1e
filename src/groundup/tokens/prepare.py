"""From documents to what training reads: split, tokenizer, token stores and sample plan, kept by their content."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.errors import DataError, GroundupError, TokenizerError
from groundup.files import NOT_THERE, replacing, sha256_text
from groundup.text.cache import locked
from groundup.text.canaries.canaries import draw_canaries, letters_of, plant
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore
from groundup.text.duplicates.split import hash_fractions
from groundup.text.selection import select
from groundup.text.settings import DataSettings
from groundup.text.sources import Say
from groundup.text.splits import Split, plan_split
from groundup.tokens.existing import find_tokenizer
from groundup.tokens.fill_in_the_middle import SPECIAL_TOKENS, FillInTheMiddle
from groundup.tokens.groups import group_documents, training_texts
from groundup.tokens.language_tags import tag_ids, tag_of
from groundup.tokens.mixture import is_mixed, plan_training
from groundup.tokens.plan import SamplePlan, Windows
from groundup.tokens.prepared_facts import describe_data, say_unknown
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.store import TokenStore
from groundup.tokens.tokenizer import CONFIG_FILE, Tokenizer
from groundup.tokens.train import train_with_special_tokens, with_special_tokens
from groundup.tokens.write_store import write_store

FORMAT_VERSION = 10
LEARNED_CHARACTERS = 200_000_000
FACTS_FILE, TRAIN_FILE, VALIDATION_FILE, PLAN_FILE = (
    "prepared.json",
    "train.json",
    "validation.json",
    "plan.windows",
)
DECIDE_ROWS = ("mix_by", "weights", "temperature", "language_tags", "packing", "fim_rate", "fim_suffix_first_rate")


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
    own_documents: bool = False
    """Whether a token is to see its own document only."""

    @property
    def has_marks(self) -> bool:
        """Whether rows are more than ids: tokens without loss among them, or the document of each below them."""
        return self.own_documents or not isinstance(self.plan.rows, Windows)


def prepare(
    store: DocumentStore,
    data: DataSettings,
    tokenizer: TokenizerSettings,
    sequence_length: int,
    batch_size: int,
    cache: Path,
    say: Say,
    folder: Path = Path(),
    existing: Tokenizer | None = None,
) -> PreparedData:
    """Split the documents, train the tokenizer on the training split alone, write token stores and the sample plan.

    The result lies in the cache under a hash of all that went in. It is reused when it is whole and made again when
    it isn't; processes that prepare the same data at once wait for the first of them. `sequence_length` is T, the
    tokens that a sample predicts; `batch_size` is checked against the data, and decides nothing more unless rows are batched
    by their lengths. `say` is told of a repair of the cache and of unknown characters or words. A relative `tokenizer.path`
    begins at `folder`; one that is given is taken.
    Raises `DataError` when there is too little text, `MachineError` when the cache cannot be written.
    """
    _require_two_characters(store)
    if existing is None and tokenizer.kind == "existing":
        existing = find_tokenizer(tokenizer.path, folder, say)
    key = _key(store, data, tokenizer, existing, sequence_length, batch_size)
    directory = cache / "prepared" / key
    with locked(directory):
        prepared = _reuse(directory, say)
        if prepared is None:
            _make(directory, store, data, tokenizer, existing, sequence_length, batch_size)
            prepared = _open(directory)
    require_batch(prepared, sequence_length, batch_size)
    say_unknown(prepared.facts, tokenizer, say)
    require_end(prepared.tokenizer, data)
    return dataclasses.replace(prepared, own_documents=data.document_attention == "own")


def prepared_before(
    store: DocumentStore,
    data: DataSettings,
    tokenizer: TokenizerSettings,
    sequence_length: int,
    batch_size: int,
    cache: Path,
    folder: Path = Path(),
    existing: Tokenizer | None = None,
) -> PreparedData | None:
    """What `prepare` gives for the same arguments, if it has made it before; None otherwise. Makes nothing."""
    if existing is None and tokenizer.kind == "existing":
        existing = find_tokenizer(tokenizer.path, folder, lambda line: None)
    directory = cache / "prepared" / _key(store, data, tokenizer, existing, sequence_length, batch_size)
    prepared = _reuse(directory, lambda line: None)
    return prepared and dataclasses.replace(prepared, own_documents=data.document_attention == "own")


def _require_two_characters(store: DocumentStore) -> None:
    characters = int(store.index["characters"].sum())
    if characters < 2:
        noun = "character" if characters == 1 else "characters"
        dropped = store.facts["tally"].get("dropped", {})
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items())
        left = f" left after {sum(dropped.values()):,} documents were dropped ({reasons})" if dropped else ""
        raise DataError(f"the text has {characters} {noun}{left}, too few to hold any out: add text to data.source")


def _key(
    store: DocumentStore,
    data: DataSettings,
    tokenizer: TokenizerSettings,
    existing: Tokenizer | None,
    sequence_length: int,
    batch_size: int,
) -> str:
    """A hash over all that decides what is written, the names and origins in the facts included."""
    settings = {
        "split": data.split,
        "validation_fraction": data.validation_fraction,
        "validation_source": data.validation_source,
        "duplicates": dataclasses.asdict(data.duplicates),
        **{name: getattr(data, name) for name in DECIDE_ROWS},
        **dataclasses.asdict(tokenizer),
    }
    if existing is not None:  # what lies at its path may change
        special_ids = [existing.end_id, existing.pad_id, existing.unknown_id]
        settings |= {"tokenizer": existing.sha256, "special_ids": special_ids}
    if data.packing == "documents":
        settings["batch_size"] = batch_size
    if data.canaries.count:
        settings["canaries"] = dataclasses.asdict(data.canaries)
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
    except (*NOT_THERE, ValueError, KeyError, AttributeError) as error:
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
    except (*NOT_THERE, ValueError) as error:
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
        "train_documents": prepared.train.documents_sha256,
        "validation_tokens": prepared.validation.sha256,
        "validation_documents": prepared.validation.documents_sha256,
        "plan": prepared.plan.sha256,
    }


def _make(
    directory: Path,
    store: DocumentStore,
    data: DataSettings,
    settings: TokenizerSettings,
    existing: Tokenizer | None,
    sequence_length: int,
    batch_size: int,
) -> None:
    """Prepare beside the final directory, and rename: the final one is whole, or isn't there.

    What an interrupted process left is gone on from: its tokenizer, and its shards of ids. It was prepared from the same, for its name
    is a hash of all that decides what is written.
    """
    temporary = directory.with_name(f".{directory.name}-partial")
    temporary.mkdir(exist_ok=True)
    try:
        selection = select(store, data.duplicates)
        split = plan_split(store, selection, data)
        names, numbers = group_documents(store, split, data)
        more = SPECIAL_TOKENS if data.fim_rate else tuple(map(tag_of, names)) if data.language_tags else ()
        if existing is not None:
            tokenizer = with_special_tokens(existing, more)
        else:
            learned: Iterator[str] = (document.text for document in to_learn_from(store, split, settings))
            if data.canaries.count:  # their letters, no secret: it would be a token before it were learned
                learned = itertools.chain([letters_of(data.canaries)], learned)
            tokenizer = _kept_tokenizer(temporary) or train_with_special_tokens(learned, settings, more)
        tokenizer.save(temporary)
        require_end(tokenizer, data)
        middle = FillInTheMiddle(tokenizer, data.fim_rate, data.fim_suffix_first_rate, sequence_length)
        texts, groups = training_texts(store, split, numbers, is_mixed(data))
        tags = tag_ids(tokenizer, names) if data.language_tags else None
        if data.canaries.count:
            _require_letters(tokenizer, data)
            texts = plant(texts, data.canaries, split.characters(store.index)["train"])
        turned = middle if data.fim_rate else None
        train_store = write_store(temporary / TRAIN_FILE, texts, tokenizer, groups, turned, tags, go_on=True)
        texts = (document.text for document in split.validation_documents(store))
        groups = numbers[split.validation]
        validation_store = write_store(temporary / VALIDATION_FILE, texts, tokenizer, groups, tags=tags, go_on=True)
        if data.packing == "stream":
            _require_window(len(train_store.ids), sequence_length, batch_size)
        padding_id = tokenizer.end_id if tokenizer.pad_id is None else tokenizer.pad_id
        plan, planned = plan_training(train_store, names, data, sequence_length, padding_id or 0, batch_size)
        plan.save(temporary / PLAN_FILE)
        stores = {"train": train_store, "validation": validation_store}
        facts = {**describe_data(store, split, stores, tokenizer, data, settings, names, selection), **planned}
        prepared = PreparedData(temporary, tokenizer, train_store, validation_store, plan, facts)
        with replacing(temporary / FACTS_FILE) as file:
            file.write(json.dumps({**facts, "hashes": _hashes(prepared)}, indent=2, ensure_ascii=False).encode())
        if directory.exists():
            shutil.rmtree(directory)
        os.rename(temporary, directory)
    except (
        GroundupError
    ):  # it would come again; after anything else, as a full disk or Ctrl-C, there is something to go on from
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _require_letters(tokenizer: Tokenizer, data: DataSettings) -> None:
    """Raise `TokenizerError` if canaries would be planted as something that the tokenizer doesn't know, or all as the same."""
    lines = [letters_of(data.canaries), *(data.canaries.line(canary.secret) for canary in draw_canaries(data.canaries))]
    written = {tuple(tokenizer.encode(line)) for line in lines}
    if len(written) < len(lines) or any(tokenizer.unknown_id in ids for ids in written):
        raise TokenizerError(
            f"the tokenizer lacks characters or words of data.canaries.format = {data.canaries.format!r} or its digits, so one secret "
            "would be as good as another: use another format, or a tokenizer of bytes"
        )


def _kept_tokenizer(directory: Path) -> Tokenizer | None:
    """The tokenizer that an interrupted process left, if it is whole: its second file is written when the first is there."""
    try:
        return Tokenizer.load(directory) if (directory / CONFIG_FILE).exists() else None
    except TokenizerError:
        return None


def require_end(tokenizer: Tokenizer, data: DataSettings) -> None:
    """Raise `TokenizerError` if the settings need the end of a text marked, and the tokenizer has nothing to mark it with."""
    asked = {
        f"data.packing = {data.packing!r}": data.packing != "stream",
        "data.document_attention = 'own'": data.document_attention == "own",
        "data.fim_rate": data.fim_rate > 0,
    }
    for name, wanted in asked.items():
        if wanted and tokenizer.end_id is None:
            raise TokenizerError(
                f"{name} needs a tokenizer with a token that ends a text, and this one has none: use another"
            )


def to_learn_from(store: DocumentStore, split: Split, settings: TokenizerSettings) -> Iterator[Document]:
    """What the tokenizer learns from: the training text, or, for words and byte pairs, so many of its documents as hold some
    `LEARNED_CHARACTERS`: what is frequent in these is frequent, and the rest would only take time and memory. They are chosen
    by bits of their hashes that the split does not look at.
    """
    characters = split.characters(store.index)["train"]
    if settings.kind in ("word", "bpe") and characters > LEARNED_CHARACTERS:
        few = hash_fractions(store.digests[:, 8:]) < LEARNED_CHARACTERS / characters
        if (split.train & few).any():
            split = dataclasses.replace(split, train=split.train & few)
    return split.train_documents(store)


def _require_window(num_tokens: int, sequence_length: int, batch_size: int) -> None:
    if num_tokens < sequence_length + 1:
        fills_a_batch = max(1, (num_tokens - 1) // batch_size)
        raise DataError(
            f"model.max_seq_len = {sequence_length} is longer than the training text's {num_tokens:,} tokens: "
            f"use a value of at most {fills_a_batch}, of which it fills a batch (training.batch_size = {batch_size}), or add text to "
            "data.source"
        )


def require_batch(prepared: PreparedData, sequence_length: int, batch_size: int) -> None:
    """Raise `DataError` where the training text fills no batch."""
    num_rows = prepared.plan.num_rows
    if not isinstance(prepared.plan.rows, Windows):
        if num_rows < batch_size:
            raise DataError(
                f"the training text makes {num_rows:,} row{'s' if num_rows != 1 else ''}, fewer than "
                f"training.batch_size = {batch_size}: lower it, or "
                "add text to data.source"
            )
        return
    num_tokens, needed = len(prepared.train.ids), batch_size * sequence_length + 1
    if num_tokens < needed:
        raise DataError(
            f"the training text's {num_tokens:,} tokens are fewer than one batch of {needed:,} "
            f"(training.batch_size = {batch_size} times model.max_seq_len = {sequence_length}, plus 1): "
            f"lower one of the two, or add text to data.source"
        )

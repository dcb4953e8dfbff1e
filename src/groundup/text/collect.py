"""From sources to a document store: read, do the steps, write shards; on all cores, and going on where it was interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from groundup.cores import available_cores
from groundup.errors import DataError
from groundup.files import sha256_text
from groundup.text.bad_input import BadInput
from groundup.text.cache import locked
from groundup.text.catalogue import CATALOGUE
from groundup.text.decode import BYTE_ORDER_MARK_REPAIR, LINE_ENDING_REPAIR
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore, finish_store, read_shard_facts
from groundup.text.fetch import fetch
from groundup.text.privacy.pseudonyms import read_key
from groundup.text.settings import DataSettings
from groundup.text.show_progress import reading_progress
from groundup.text.sources import (
    Say,
    Source,
    all_here,
    files_hash,
    find_sources,
    read_sources,
    say_repair,
    source_hashes,
)
from groundup.text.steps import Steps, needs_work
from groundup.text.tally import Tally
from groundup.text.worker import Worker, make_shard

FORMAT_VERSION = 4
SHARD_CHARACTERS = 8 * 2**20
SHARD_DOCUMENTS = 20_000
NOT_OF_THE_TEXT = (
    "validation_fraction",
    "split",
    "mix_by",
    "weights",
    "temperature",
    "language_tags",
    "packing",
    "document_attention",
    "fim_rate",
    "fim_suffix_first_rate",
    "template",
    "check_labels",
    "canaries",
)
"""Settings of `[data]` that come after the documents are there."""


def collect(settings: DataSettings, cache: Path, say: Say, folder: Path = Path()) -> DocumentStore:
    """The documents of `data.source`, with all that is done to each of them, as a store in the cache.

    The store lies under a hash of the sources' bytes and of the settings: the same is done once. A process that was killed is gone on
    from, shard by shard; processes that want the same at once wait for the first of them. `say` is told of what was skipped or mended.
    Raises `DataError` for a source that cannot be found, fetched or read, `MachineError` when the cache cannot be written.
    """
    sources, held_out = find_sources(settings, cache, say, folder), _held_out(settings, cache, say, folder)
    require_apart(sources, held_out)
    sources = [*sources, *held_out]
    directory = cache / "documents" / _key(settings, sources, cache, say, folder)
    with locked(directory):
        store = _reuse(directory, say)
        if store is None:
            _make(directory, settings, sources, len(held_out), cache, folder)
            store = DocumentStore.open(directory)
    for line in store.facts["said"]:
        say(line)
    return store


def collected(settings: DataSettings, cache: Path, folder: Path = Path()) -> DocumentStore | None:
    """The documents, if `collect` has made them before; None otherwise. Fetches and makes nothing."""
    if not all_here(settings, cache, folder):
        return None
    sources = [*find_sources(settings, cache, _unsaid, folder), *_held_out(settings, cache, _unsaid, folder)]
    directory = cache / "documents" / _key(settings, sources, cache, _unsaid, folder)
    return _reuse(directory, _unsaid)


def _unsaid(line: str) -> None:
    """For what only looks."""


def require_apart(sources: Iterable[Source], held_out: Iterable[Source]) -> None:
    """Raise `DataError` if one text is to be learned from and to be measured on."""
    for name in {source.name for source in sources} & {source.name for source in held_out}:
        raise DataError(
            f"{name} is in data.source and in data.validation_source: what is held out must be another text"
        )


def _held_out(settings: DataSettings, cache: Path, say: Say, folder: Path) -> list[Source]:
    """The sources of `data.validation_source`."""
    if not settings.validation_source:
        return []
    return list(find_sources(dataclasses.replace(settings, source=settings.validation_source), cache, say, folder))


def _key(settings: DataSettings, sources: Sequence[Source], cache: Path, say: Say, folder: Path) -> str:
    """A hash over all that decides what is written: the sources' names and bytes, and the settings."""
    described: list[Any] = []
    tests = dataclasses.replace(settings, source=settings.decontamination.files or "-")
    for source in [*sources, *(find_sources(tests, cache, say, folder) if settings.decontamination.files else ())]:
        if source.files is not None:
            described.append([source.name, source_hashes(source)])
        else:
            described.append([source.name, _described(source.name, cache, say)])
    wanted = {key: value for key, value in dataclasses.asdict(settings).items() if key not in NOT_OF_THE_TEXT}
    alike = settings.duplicates  # of these the store holds signatures only; which documents stay is decided over it
    wanted["duplicates"] = alike.near != "off" and [alike.shingle_words, alike.num_permutations, alike.seed]
    if settings.privacy.mode == "pseudonym":  # another key is other work; what the key is can't be told from this
        key = read_key(settings.privacy.key_variable)
        described.append(hmac.digest(key, b"which key", "sha256").hex())
    return hashlib.sha256(json.dumps([FORMAT_VERSION, described, wanted]).encode()).hexdigest()[:32]


def _described(name: str, cache: Path, say: Say) -> dict[str, Any]:
    """What decides an entry's text, apart from the code of its reader. Of one without an archive it is the text itself."""
    entry = CATALOGUE[name]
    described = {key: value for key, value in vars(entry).items() if isinstance(value, str)}
    if not entry.sha256:
        texts = entry.reader(fetch(entry, cache, say))
        described["texts"] = sha256_text("\n".join(sha256_text(text.name + text.text) for text in texts))
    return described


def _reuse(directory: Path, say: Say) -> DocumentStore | None:
    if not directory.exists():
        return None
    try:
        return DocumentStore.open(directory)
    except DataError as error:
        say(f"warning: the text in the cache is damaged and is read again: {error}")
        shutil.rmtree(directory)
        return None


def _make(
    directory: Path, settings: DataSettings, sources: Sequence[Source], held_out: int, cache: Path, folder: Path
) -> None:
    """Make the store beside its place, shard by shard, and rename it: the final one is whole, or isn't there. The last `held_out`
    sources are for validation."""
    partial = directory.with_name(f".{directory.name}-partial")  # what an interrupted process left is gone on from
    partial.mkdir(exist_ok=True)
    bad = BadInput(settings.skip_bad)
    said: list[str] = []  # told each time, also when the store is there already
    with reading_progress(sources) as advance:
        batches = _batches(read_sources(sources, settings, cache, bad, said.append), advance)
        facts = list(_shards(batches, settings, folder, partial, [source.name for source in sources], said.append))
    tally = Tally()
    for one in facts:
        tally.add(Tally.from_plain(one))
    for repair in (BYTE_ORDER_MARK_REPAIR, LINE_ENDING_REPAIR):
        if repair in tally.changed:
            say_repair(repair, tally.changed[repair], said.append)
    bad.tell(said.append)
    others = {
        "files_sha256": {source.name: digest for source in sources if (digest := files_hash(source))},
        "left_out": {source.name: dict(source.left_out) for source in sources if source.left_out},
        "unreadable": dict(bad.counts),
        "unreadable_examples": bad.examples,
        "said": said,
        "training_sources": len(sources) - held_out,
        "tally": tally.as_plain(),
    }
    finish_store(partial, len(facts), [source.name for source in sources], others)
    os.rename(partial, directory)


def _batches(documents: Iterator[Document], advance: Any) -> Iterator[list[Document]]:
    """Documents in lists that are always the same: the shards of an interrupted process fit those of the next."""
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= SHARD_CHARACTERS or len(batch) >= SHARD_DOCUMENTS:
            advance(characters)
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _shards(
    batches: Iterator[list[Document]],
    settings: DataSettings,
    folder: Path,
    directory: Path,
    sources: Sequence[str],
    say: Say,
) -> Iterator[dict[str, Any]]:
    """Each shard's facts, in order; made here, or, if there is work to do and more than one shard, by a process for each core."""
    numbered = enumerate(batches)
    first = next(numbered, None)
    second = next(numbered, None)
    if second is None or not needs_work(settings):
        steps = Steps(settings, folder)
        for line in steps.said:
            say(line)
        for number, batch in _chain(first, second, numbered):
            yield read_shard_facts(directory, number) or make_shard(steps, directory, number, batch, sources)
        return
    with contextlib.ExitStack() as stack:
        # Left in the other order: the processes are ended first, so that no thread waits for what nobody wants any more.
        threads = stack.enter_context(ThreadPoolExecutor(available_cores()))
        workers = [stack.enter_context(Worker(settings, folder, directory, sources)) for _ in range(available_cores())]
        for line in workers[0].said:
            say(line)
        idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            idle.put(worker)

        def make(number: int, batch: list[Document]) -> dict[str, Any]:
            worker = idle.get()
            try:
                return worker.make_shard(number, batch)
            finally:
                idle.put(worker)

        waiting: list[Future[dict[str, Any]]] = []
        for number, batch in _chain(first, second, numbered):
            there = read_shard_facts(directory, number)
            waiting.append(_done(there) if there else threads.submit(make, number, batch))
            if len(waiting) > len(workers):
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _chain(first: Any, second: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield from (one for one in (first, second) if one is not None)
    yield from others


def _done(facts: dict[str, Any]) -> Future[dict[str, Any]]:
    future: Future[dict[str, Any]] = Future()
    future.set_result(facts)
    return future

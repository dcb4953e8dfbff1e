"""From `data.source` to documents: catalogue names, files, folders, patterns, addresses and standard input, read one at a time."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from groundup.errors import DataError
from groundup.files import sha256_file, sha256_text
from groundup.text.bad_input import EMPTY, BadInput
from groundup.text.catalogue import CATALOGUE, CatalogueEntry
from groundup.text.document import Document
from groundup.text.fetch import fetch, is_fetched
from groundup.text.find_files import expand, find_files, left_out
from groundup.text.formats import File, read_file
from groundup.text.prepared_file import is_prepared, read_prepared
from groundup.text.remote import fetch_address, fetch_hub_dataset, is_address, is_hub_id
from groundup.text.settings import DataSettings
from groundup.text.standard_input import is_standard_input, keep_standard_input

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """One of the sources, found."""

    name: str
    """As the settings give it."""
    files: tuple[File, ...] | None = ()
    """None: an entry of the catalogue."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many of a folder's files are of no kind that is read, by the end of their name."""
    entry: CatalogueEntry | None = None
    """The catalogue's entry whose conversations were written into `files`."""


def source_names(settings: DataSettings) -> list[str]:
    """`data.source` as a list, each once."""
    return list(dict.fromkeys((settings.source,) if isinstance(settings.source, str) else settings.source))


def find_sources(settings: DataSettings, cache: Path, say: Say, folder: Path = Path()) -> list[Source]:
    """Find everything that `data.source` names, in its order; what lies elsewhere is fetched into the cache first.

    A relative path or pattern begins at `folder`. A file that two sources name belongs to the first.
    Raises `DataError` for a source that cannot be found or fetched.
    """
    sources: list[Source] = []
    seen: set[Path] = set()
    for name in source_names(settings):
        if _is_catalogue_name(name, folder):
            fetch(CATALOGUE[name], cache, say)
            sources.append(Source(name, None))
            continue
        if name in CATALOGUE:
            say(f"warning: data.source = {name!r} is read from the path {name} here, not from the catalogue")
        if not _is_elsewhere(name) and is_prepared(expand(name, folder)):
            read_prepared(expand(name, folder))  # its files are whole
        files = []
        for file in _files(name, cache, say, folder):
            real = Path(os.path.realpath(file.path))
            if real not in seen:
                seen.add(real)
                files.append(file)
        others, not_entered = (Counter[str](), {}) if _is_elsewhere(name) else left_out(name, folder)
        if others:
            kinds = ", ".join(f"{suffix} ({count:,})" for suffix, count in others.most_common(5))
            say(f"warning: of the folder {name}, {sum(others.values()):,} files are of no kind that is read: {kinds}")
        for kind, folders in not_entered.items():
            more = f" and {len(folders) - 1:,} more" if len(folders) > 1 else ""
            say(f"warning: {folders[0]}{more} below {name} is not entered, being {kind}: name it to have it read")
        sources.append(Source(name, tuple(files), others))
    return sources


def all_here(settings: DataSettings, cache: Path, folder: Path = Path()) -> bool:
    """Whether every source of the settings lies on this machine, so that nothing would have to be fetched to read it."""
    held_out = settings.validation_source
    names = [*source_names(settings), *((held_out,) if isinstance(held_out, str) else held_out)]
    if settings.decontamination.files:
        names += settings.decontamination.files
    return not any(
        not is_fetched(CATALOGUE[name], cache)
        if _is_catalogue_name(name, folder)
        else _is_elsewhere(name) or is_standard_input(name)
        for name in names
    )


def source_hashes(source: Source) -> list[tuple[str, str]]:
    """The names of a source's files and the SHA-256 of each one's bytes."""
    return [(file.name, _hash(file.path)) for file in source.files or ()]


def files_hash(source: Source) -> str:
    """One hash over the bytes of all of a source's files and their names; empty for the catalogue's, whose archive has one."""
    return "" if source.files is None else sha256_text(json.dumps(source_hashes(source)))


def read_sources(
    sources: Sequence[Source], settings: DataSettings, cache: Path, bad: BadInput, say: Say, every_text: bool = False
) -> Iterator[Document]:
    """The sources' documents one after the other; a folder's and a pattern's files in the order of their paths.

    Ids are made unique within a source (`id`, `id#2`, …). `say` is told of ids that weren't unique, `bad` of what is empty
    or can't be read. Raises `DataError` for what cannot be read as text, and when there is no text at all.
    """
    found = False
    for source in sources:
        seen: Counter[str] = Counter()
        repeated = 0
        for document in _read(source, settings, cache, bad, say, every_text):
            found = True
            seen[document.id] += 1
            if seen[document.id] > 1:
                while (new := f"{document.id}#{seen[document.id]}") in seen:
                    seen[document.id] += 1
                seen[new] = 1
                if not repeated:
                    say(
                        f"warning: {source.name} has two documents with the id {document.id!r}: the later is called {new}"
                    )
                repeated += 1
                document = replace(document, id=new)
            yield document
        if repeated > 1:
            say(f"warning: {repeated:,} documents of {source.name} had an id that was taken, and got a new one")
    if not found:
        if set(bad.counts) <= {EMPTY}:
            why = "each of its files is empty"
        else:
            why = f"nothing in it can be read ({next(example for kind, (example, *_) in bad.examples.items() if kind != EMPTY)})"
        raise DataError(f"data.source = {settings.source!r} holds no text: {why}; name files with text in them")


def read_documents(
    settings: DataSettings, cache: Path, say: Say, folder: Path = Path(), every_text: bool = False
) -> list[Document]:
    """All documents that `data.source` names, in memory: for texts that are measured, not trained on.

    With `every_text` rows without `data.text_field` give each of their texts.
    """
    bad = BadInput(settings.skip_bad)
    documents = list(read_sources(find_sources(settings, cache, say, folder), settings, cache, bad, say, every_text))
    for repair, count in count_repairs(documents).items():
        say_repair(repair, count, say)
    bad.tell(say)
    return documents


def check_sources(settings: DataSettings, folder: Path = Path()) -> None:
    """Raise `DataError` for a source that is not there, without reading anything: an answer at once."""
    for source in source_names(settings):
        if not _is_catalogue_name(source, folder) and not _is_elsewhere(source):
            find_files(source, folder)


def count_repairs(documents: list[Document]) -> dict[str, int]:
    """In how many documents each repair was made."""
    return dict(Counter(repair for document in documents for repair in document.repairs))


def say_repair(repair: str, count: int, say: Say) -> None:
    """Tell what was mended while reading, and in how many texts."""
    say(f"{repair} in {count:,} document{'s' if count != 1 else ''}")


def _is_catalogue_name(source: str, folder: Path) -> bool:
    return source in CATALOGUE and not os.path.lexists(folder / source)


def _is_elsewhere(source: str) -> bool:
    """Whether it is no path here: standard input, an address, a hub id."""
    return is_standard_input(source) or is_address(source) or is_hub_id(source)


def _files(source: str, cache: Path, say: Say, folder: Path) -> list[File]:
    if is_standard_input(source):
        return [keep_standard_input(source, cache)]
    if is_address(source):
        return [fetch_address(source, cache, say)]
    if is_hub_id(source):
        return _files_of_hub(source, cache, say)
    return find_files(source, folder)


def _files_of_hub(source: str, cache: Path, say: Say) -> list[File]:
    """A hub dataset's files, fetched; they are named as the hub names them."""
    path = fetch_hub_dataset(source, cache, say)
    return [File(file.name, file.path, source) for file in find_files(str(path), path)]


def _read(
    source: Source, settings: DataSettings, cache: Path, bad: BadInput, say: Say, every_text: bool
) -> Iterator[Document]:
    if source.files is None:
        entry = CATALOGUE[source.name]
        for text in entry.reader(fetch(entry, cache, say)):
            yield Document(text.name, text.text, source.name, entry.license, entry.origin, text.metadata)
    for file in source.files or ():
        told, nothing = sum(bad.counts.values()), True
        for document in read_file(file, settings.text_field, bad, every_text):
            nothing = False
            yield document
        if nothing and sum(bad.counts.values()) == told:
            if file.named:
                raise DataError(f"{file.shown} is empty: name a file with text in it")
            bad.count(f"{file.shown} is empty", EMPTY)


def _hash(path: Path) -> str:
    """A file's hash; of one that can't be read none, for whoever reads it tells of that."""
    try:
        return sha256_file(path) if path.is_file() else "no file"
    except OSError:
        return "unreadable"

"""From sources to rows with all their columns: files of conversations and of preferences, and rows that a program gives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from groundup.errors import DataError
from groundup.text.bad_input import EMPTY, BadInput
from groundup.text.cache import keep_by_hash
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch
from groundup.text.formats import File, read_rows, row_reader
from groundup.text.rows import ROW_READERS
from groundup.text.sources import Say, Source

NO_ROWS = "no file of rows"


class PlacedRow(NamedTuple):
    """A row with where it comes from."""

    source: str
    place: str
    """What messages call it: `rows.jsonl, line 12`."""
    columns: Mapping[str, Any]


def read_source_rows(sources: Sequence[Source], wanted: str, bad: BadInput) -> Iterator[PlacedRow]:
    """Each row of the sources, in order, read one at a time.

    `wanted` says in a message which rows it would take. A text raises `DataError`; one that merely lies in a folder is left out and
    counted, as what can't be read is.
    """
    for source in sources:
        if source.files is None:
            conversations = ", ".join(name for name, entry in CATALOGUE.items() if entry.conversations)
            raise DataError(
                f"data.source = {source.name!r} is a text of the catalogue, and {wanted}; the catalogue's: {conversations}"
            )
        for file in source.files:
            if row_reader(file) is None:
                if file.named:
                    raise DataError(
                        f"{file.shown} is a text, and {wanted}; files of rows end in {', '.join(ROW_READERS)}"
                    )
                bad.count(f"{file.shown} is a text, and {wanted}", NO_ROWS)
                continue
            told, nothing = sum(bad.counts.values()), True
            for place, row in read_rows(file, bad):
                nothing = False
                yield PlacedRow(source.name, f"{file.shown}, {place}", row)
            if nothing and sum(bad.counts.values()) == told:
                bad.count(f"{file.shown} is empty", EMPTY)


def with_catalogue_rows(sources: Sequence[Source], cache: Path, say: Say) -> list[Source]:
    """The same sources; a catalogue's entry that has conversations becomes a file of rows in the cache."""
    return [_catalogue_rows(source, cache, say) for source in sources]


def _catalogue_rows(source: Source, cache: Path, say: Say) -> Source:
    if source.files is not None or not CATALOGUE[source.name].conversations:
        return source
    entry = CATALOGUE[source.name]
    texts = entry.reader(fetch(entry, cache, say))
    return replace(keep_rows((text.row or {} for text in texts), cache, source.name), entry=entry)


def keep_rows(rows: Iterable[Mapping[str, Any]], cache: Path, called: str) -> Source:
    """Write rows from Python into the cache under their hash, as JSON lines, and give them as a source; read once, one at a time.

    `called` is the source's name: messages say `training rows, line 12`. Raises `DataError` for what is no row, or holds what JSON
    can't.
    """
    lines = (_line(row, f"{called}, row {number:,}") for number, row in enumerate(rows, start=1))
    target = keep_by_hash(cache / "rows", lines, ".jsonl")
    return Source(called, (File(called, target, called, named=True, called=called),))


def _line(row: object, place: str) -> bytes:
    if not isinstance(row, Mapping):
        raise DataError(f"{place} is a {type(row).__name__}: give mappings such as {{'prompt': …, 'completion': …}}")

    def plain(value: Any) -> Any:
        """Arrays and tensors, such as input_ids, as lists of numbers."""
        if hasattr(value, "tolist"):
            return value.tolist()
        raise TypeError(type(value).__name__)

    try:
        return json.dumps(dict(row), default=plain, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{place} holds what is neither text nor number nor a list of these ({error}): take it out"
        ) from None

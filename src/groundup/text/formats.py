"""From one file to its documents, by how its name ends."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from groundup.errors import DataError
from groundup.text.bad_input import EMPTY, BadInput, BadInputError
from groundup.text.compression import DamagedError, inner_name, opened
from groundup.text.conversations import objective_of_row
from groundup.text.decode import LINE_ENDING_REPAIR, decode_parts, decode_text
from groundup.text.document import Document
from groundup.text.html import html_text
from groundup.text.rows import ROW_READERS
from groundup.text.table import Row

Found = TypeVar("Found")

PLAIN = (".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".org", ".srt")
PAGES = (".html", ".htm", ".xhtml")
# fmt: off
CODE = (
    ".py", ".pyi", ".js", ".mjs", ".ts", ".tsx", ".jsx", ".java", ".kt", ".scala", ".c", ".h", ".cc", ".cpp", ".hpp",
    ".cs", ".go", ".rs", ".rb", ".php", ".swift", ".r", ".jl", ".lua", ".pl", ".sh", ".bash", ".sql", ".hs", ".ml",
    ".ex", ".exs", ".erl", ".clj", ".lisp", ".el", ".vim", ".css", ".scss", ".f90", ".pas", ".asm",
)
# fmt: on
SUFFIXES = (*PLAIN, *PAGES, *CODE, *(suffix for suffix in ROW_READERS if suffix != ".json"))
"""What is read out of a folder; a .json file is read when it is named, for most of them are no texts but settings."""
LONGEST_VALUE = 500
"""Characters of a row's other columns that are kept as metadata; longer ones are texts of their own."""
MOST_NAMES, LONGEST_NAME = 12, 40
"""So many of a row's columns are named in a message, and so many characters of each name."""
SURROGATE = re.compile("[\ud800-\udfff]")
LONGEST_PAGE = 256 * 2**20


@dataclass(frozen=True)
class File:
    """A file of a source."""

    name: str
    """Its path within the source."""
    path: Path
    source: str
    named: bool = False
    """Whether the settings name this very file, and not only its folder or a pattern."""
    called: str = ""
    """What messages call it, where its path would tell the user nothing."""

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.called or str(self.path)


def is_readable(name: str) -> bool:
    """Whether a file's name ends in one of the formats that are read out of a folder."""
    return inner_name(name.lower()).endswith(SUFFIXES)


def read_file(file: File, text_field: str, bad: BadInput, every_text: bool = False) -> Iterator[Document]:
    """A file's documents: rows of a table or of JSON lines each one, an HTML page's text, anything else as plain text.

    Rows give the text under `text_field`, their `id` and `license` when they have them, and their other short columns
    as metadata. What can't be read is told to `bad`. An empty file gives nothing. With `every_text` a row without `text_field`
    gives each of its texts as a document (evaluation files have questions, choices and answers).
    """
    reader = row_reader(file)
    if reader is not None:
        documents = _rows(file, reader(file.path, file.shown, bad), text_field, bad, every_text)
    else:
        documents = _page(file) if inner_name(file.path.name.lower()).endswith(PAGES) else _plain(file)
    yield from _told_of(file, documents, "document", bad)


def read_rows(file: File, bad: BadInput) -> Iterator[Row]:
    """The rows of a file that has a `row_reader`: where each stands, and its columns. What can't be read is told to `bad`."""
    reader = row_reader(file)
    assert reader is not None
    yield from _told_of(file, reader(file.path, file.shown, bad), "row", bad)


def row_reader(file: File) -> Callable[[Path, str, BadInput], Iterator[Row]] | None:
    """What reads a file of rows; None for a file that is none."""
    name = inner_name(file.path.name.lower())
    return next((reader for suffix, reader in ROW_READERS.items() if name.endswith(suffix)), None)


def _told_of(file: File, found: Iterator[Found], called: str, bad: BadInput) -> Iterator[Found]:
    """What a file gives, one thing after the other; that it can't be read, or read on, is told to `bad` or raised."""
    read = 0
    try:
        if file.path.is_dir():
            os.listdir(file.path)  # one that could not be looked into: this says why
        if not file.path.is_file() and file.path.exists():
            raise DataError(f"{file.shown} is not a regular file: name a text file")
        for one in found:
            read += 1
            yield one
    except BadInputError:
        raise
    except OSError as error:
        _refuse(file, unreadable(file.shown, error), "unreadable", read, called, bad)
    except DamagedError as error:
        _refuse(file, error, "damaged", read, called, bad)
    except DataError as error:
        _refuse(file, error, "not text", read, called, bad)


def _refuse(file: File, error: DataError, reason: str, read: int, called: str, bad: BadInput) -> None:
    """A file that was asked for by its name is not left out without an error. `read`: documents or rows that came before the fault."""
    if file.named:
        raise error
    kept = f" (what was read of it before that, {read:,} {called}{'s' if read != 1 else ''}, is kept)" if read else ""
    bad(str(error) + (kept if bad.skip else ""), reason)


def unreadable(path: Path | str, error: OSError) -> DataError:
    """The error for a file or folder that the system won't let us read."""
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): check that it is there and that you may read it"
    )


def _plain(file: File) -> Iterator[Document]:
    with opened(file.path, file.shown) as content:
        for part, (text, repairs) in enumerate(decode_parts(content, file.shown), start=1):
            if text:
                name = file.name if part == 1 else f"{file.name}#{part}"
                yield Document(name, text, file.source, "unknown", repairs=repairs)


def _page(file: File) -> Iterator[Document]:
    with opened(file.path, file.shown) as content:
        page = content.read(LONGEST_PAGE + 1)
    if len(page) > LONGEST_PAGE:
        raise DataError(f"{file.shown} is a page of more than {LONGEST_PAGE // 2**20} MB: split it up")
    markup, repairs = decode_text(page, file.shown)
    text, title = html_text(markup)
    if text:
        yield Document(
            file.name, text, file.source, "unknown", metadata={"title": title} if title else {}, repairs=repairs
        )


def _rows(file: File, rows: Iterator[Row], text_field: str, bad: BadInput, every_text: bool) -> Iterator[Document]:
    for row in rows:
        if every_text and text_field not in row[1]:
            for number, text in enumerate(_texts(row[1]), start=1):
                yield Document(f"{file.name}, {row[0]}, text {number}", text, file.source, "unknown")
        elif document := _row_document(file, row, text_field, bad):
            yield document


def _row_document(file: File, row: Row, text_field: str, bad: BadInput) -> Document | None:
    place, columns = row
    text = columns.get(text_field)
    where = f"{file.shown}, {place}"
    if not isinstance(text, str):
        if text_field in columns:
            bad(f"{where}: {text_field!r} is {_kind(text)}, not a text", "no text")
        else:
            known = ", ".join(f"{name[:LONGEST_NAME]!r}" for name in [*columns][:MOST_NAMES]) or "nothing"
            advice = "name the text's key with data.text_field"
            if objective := objective_of_row(columns):
                advice = f"learn from such rows with training.objective = {objective!r} and a model.base, or {advice}"
            bad(f"{where} has no {text_field!r}, but {known}: {advice}", "no text")
        return None
    if not text:
        bad.count(f"{where}: the text is empty", EMPTY)
        return None
    own_id = columns.get("id")
    others = {key: value for key, value in columns.items() if key not in (text_field, "id", "license")}
    document = Document(
        str(own_id) if isinstance(own_id, str | int) and own_id != "" else f"{file.name}:{place.partition(' ')[2]}",
        text.replace("\r\n", "\n"),
        file.source,
        str(columns.get("license") or "unknown"),
        metadata=_short(others),
        repairs=(LINE_ENDING_REPAIR,) if "\r\n" in text else (),
    )
    for holder, value in _named_texts(document, text_field):
        if SURROGATE.search(value):
            bad(f"{where}: {holder} holds half of a surrogate pair, which no valid Unicode text does", "lone surrogate")
            return None
    return document


def _named_texts(document: Document, text_field: str) -> Iterator[tuple[str, str]]:
    """All of a document that was read from a row, with what to call it."""
    yield from ((repr(text_field), document.text), ("'id'", document.id), ("'license'", document.license))
    for key, value in document.metadata.items():
        yield from ((f"the name {key!r}", key), (repr(key), value))


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, however deep; half a surrogate pair is in none."""
    if isinstance(value, str):
        if not SURROGATE.search(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _short(columns: Mapping[str, Any]) -> dict[str, str]:
    """The columns that are short plain values, as texts; those of a nested `metadata` object too."""
    nested = columns.get("metadata")
    flat = {**columns, **(nested if isinstance(nested, dict) else {})}
    texts = {str(key): str(value) for key, value in flat.items() if isinstance(value, str | int | float)}
    return {key: value for key, value in texts.items() if value and len(value) <= LONGEST_VALUE}


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"

"""From one file to its documents, by how its name ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.errors import DataError
from groundup.text.bad_input import BadInput
from groundup.text.compression import inner_name, opened
from groundup.text.decode import LINE_ENDING_REPAIR, decode_parts, decode_text
from groundup.text.document import Document
from groundup.text.html import html_text
from groundup.text.rows import ROW_READERS, Row

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


def is_readable(name: str) -> bool:
    """Whether a file's name ends in one of the formats that are read out of a folder."""
    return inner_name(name.lower()).endswith(SUFFIXES)


def read_file(file: File, text_field: str, bad: BadInput, every_text: bool = False) -> Iterator[Document]:
    """A file's documents: rows of a table or of JSON lines each one, an HTML page's text, anything else as plain text.

    Rows give the text under `text_field`, their `id` and `license` when they have them, and their other short columns
    as metadata. What can't be read is told to `bad`. An empty file gives nothing. With `every_text` a row without `text_field`
    gives each of its texts as a document (evaluation files have questions, choices and answers).
    """
    name = inner_name(file.path.name.lower())
    reader = next((reader for suffix, reader in ROW_READERS.items() if name.endswith(suffix)), None)
    try:
        if not file.path.is_file() and file.path.exists():
            raise DataError(f"{file.path} is not a regular file: name a text file")
        if reader is not None:
            for row in reader(file.path, bad):
                if every_text and text_field not in row[1]:
                    for number, text in enumerate(_texts(row[1]), start=1):
                        yield Document(f"{file.name}, {row[0]}, text {number}", text, file.source, "unknown")
                elif document := _row_document(file, row, text_field, bad):
                    yield document
        elif name.endswith(PAGES):
            yield from _page(file)
        else:
            yield from _plain(file)
    except OSError as error:
        _refuse(file, unreadable(file.path, error), "unreadable", bad)
    except DataError as error:
        _refuse(file, error, "not text", bad)


def _refuse(file: File, error: DataError, reason: str, bad: BadInput) -> None:
    """A file that was asked for by its name is not left out without an error."""
    if file.named or not bad.skip:
        raise error
    bad(str(error), reason)


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file or folder that the system won't let us read."""
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): check that it is there and that you may read it"
    )


def _plain(file: File) -> Iterator[Document]:
    with opened(file.path) as content:
        for part, (text, repairs) in enumerate(decode_parts(content, str(file.path)), start=1):
            if text:
                name = file.name if part == 1 else f"{file.name}#{part}"
                yield Document(name, text, file.source, "unknown", repairs=repairs)


def _page(file: File) -> Iterator[Document]:
    with opened(file.path) as content:
        page = content.read(LONGEST_PAGE + 1)
    if len(page) > LONGEST_PAGE:
        raise DataError(f"{file.path} is a page of more than {LONGEST_PAGE // 2**20} MB: split it up")
    markup, repairs = decode_text(page, str(file.path))
    text, title = html_text(markup)
    if text:
        yield Document(
            file.name, text, file.source, "unknown", metadata={"title": title} if title else {}, repairs=repairs
        )


def _row_document(file: File, row: Row, text_field: str, bad: BadInput) -> Document | None:
    place, columns = row
    text = columns.get(text_field)
    where = f"{file.path}, {place}"
    if not isinstance(text, str):
        if text_field in columns:
            bad(f"{where}: {text_field!r} is {_kind(text)}, not a text", "no text")
        else:
            known = ", ".join(map(repr, columns)) or "nothing"
            bad(f"{where} has no {text_field!r}, but {known}: name the text's key with data.text_field", "no text")
        return None
    if any("\ud800" <= character <= "\udfff" for character in text):
        bad(f"{where}: the text holds half of a surrogate pair, which no valid Unicode text does", "lone surrogate")
        return None
    if not text:
        bad(f"{where}: the text is empty", "empty text") if bad.skip else None
        return None
    own_id = columns.get("id")
    others = {key: value for key, value in columns.items() if key not in (text_field, "id", "license")}
    return Document(
        str(own_id) if isinstance(own_id, str | int) and own_id != "" else f"{file.name}:{place.partition(' ')[2]}",
        text.replace("\r\n", "\n"),
        file.source,
        str(columns.get("license") or "unknown"),
        metadata=_short(others),
        repairs=(LINE_ENDING_REPAIR,) if "\r\n" in text else (),
    )


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, however deep; half a surrogate pair is in none."""
    if isinstance(value, str):
        if value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value):
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

"""From `data.source` to documents: catalogue names, files, folders and glob patterns, read as UTF-8 text."""

from __future__ import annotations

import codecs
import difflib
import fnmatch
import glob
import itertools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from groundup.errors import DataError
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch
from groundup.text.settings import DataSettings

TEXT_SUFFIXES = (".txt", ".md")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Document:
    """One text with where it came from."""

    name: str
    """A play's title, or a file's path within its source."""
    text: str
    source: str
    """The catalogue name, path or pattern as the settings give it."""
    license: str
    origin: str = ""
    """Where a catalogue's text comes from; empty for the user's own files."""
    repairs: tuple[str, ...] = ()
    """What was mended when it was read, e.g. `line endings normalized`."""


BYTE_ORDER_MARK_REPAIR = "byte order marks removed"
LINE_ENDING_REPAIR = "line endings normalized"


def read_documents(settings: DataSettings, cache: Path, say: Say, folder: Path = Path()) -> list[Document]:
    """Read all documents that `data.source` names, in its order; a folder's and a pattern's files in the order of
    their paths.

    A relative path or pattern begins at `folder`. A file that two sources name is read once. `say` is told what was
    skipped or mended.
    Raises `DataError` for a source that cannot be found, fetched or read as text.
    """
    sources = (settings.source,) if isinstance(settings.source, str) else settings.source
    documents: list[Document] = []
    seen: set[Path] = set()
    for source in dict.fromkeys(sources):
        if _is_catalogue_name(source, folder):
            documents += _read_entry(source, cache, say)
            continue
        if source in CATALOGUE:
            say(f"warning: data.source = {source!r} is read from the path {source} here, not from the catalogue")
        for name, path in _find_files(source, folder):
            real = Path(os.path.realpath(path))
            if real not in seen:
                seen.add(real)
                documents += _read_file(name, path, source, say, named=path == _expand(source, folder))
    if not documents:
        raise DataError(
            f"data.source = {settings.source!r} holds no text: each of its files is empty; name files with text in them"
        )
    _say_repairs(documents, say)
    return documents


def check_sources(settings: DataSettings, folder: Path = Path()) -> None:
    """Raise `DataError` for a source that is not there, without reading anything: an answer at once."""
    for source in (settings.source,) if isinstance(settings.source, str) else settings.source:
        if not _is_catalogue_name(source, folder):
            _find_files(source, folder)


def _is_catalogue_name(source: str, folder: Path) -> bool:
    return source in CATALOGUE and not os.path.lexists(folder / source)


def _read_entry(name: str, cache: Path, say: Say) -> list[Document]:
    entry = CATALOGUE[name]
    texts = entry.reader(fetch(entry, cache, say))
    return [Document(text.name, text.text, name, entry.license, origin=entry.origin) for text in texts]


def _find_files(source: str, folder: Path) -> list[tuple[str, Path]]:
    """The files that a path or pattern names, as (name within the source, path)."""
    path = _expand(source, folder)
    try:
        if path.is_dir():
            files = [(_printable(file.relative_to(path)), file) for file in _walk(path)]
            if not files:
                raise DataError(
                    f"data.source = {source!r} is a folder without text files: put files ending in .txt or .md in it"
                )
            return files
        if path.exists():
            return [(_printable(Path(path.name)), path)]
    except OSError as error:
        raise _unreadable(path, error) from error
    if glob.has_magic(source):
        pattern = _expand(source, Path())
        fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
        root = folder / Path(*fixed)
        if "**" in pattern.parts:
            matches = _below(root, pattern.parts[len(fixed) :])
        else:
            matches = [folder / match for match in sorted(glob.glob(str(pattern), root_dir=folder))]
        files = [
            (_printable(match.relative_to(root)), match)
            for match in matches
            if not match.is_dir() and not any(is_run(root / part) for part in match.relative_to(root).parents)
        ]
        if not files:
            raise DataError(f"data.source = {source!r}: no file matches this pattern; check it, e.g. with  ls {source}")
        return files
    raise _unknown(source, path, folder)


def _walk(folder: Path, suffixes: tuple[str, ...] = TEXT_SUFFIXES) -> list[Path]:
    """Text files below a folder, sorted; hidden files and folders are left out, linked folders not entered, nor runs,
    whose model cards are not the user's text."""

    def stop(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error)

    files = []
    for directory, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".") and not is_run(Path(directory) / name)]
        files += [
            Path(directory) / name for name in names if not name.startswith(".") and name.lower().endswith(suffixes)
        ]
    return sorted(files)


def _below(root: Path, pattern: tuple[str, ...]) -> list[Path]:
    """Files below a folder whose path matches a pattern with `**`; walked as `_walk` does, so that no link leads in circles
    and no folder that may not be read is passed over in silence."""
    in_a_name = [fnmatch.translate(part)[4:-3].replace(".*", "[^/]*") for part in pattern]
    parts = ["(?:[^/]+/)*" if part == "**" else f"{name}/" for part, name in zip(pattern, in_a_name, strict=True)]
    matching = re.compile("".join(parts).removesuffix("/")).fullmatch
    return [path for path in _walk(root, suffixes=("",)) if matching(path.relative_to(root).as_posix())]


def is_run(folder: Path) -> bool:
    """Whether a folder is one that a training wrote (`run` is above this layer, so the names of its files stand here once more)."""
    try:
        return (folder / "manifest.json").is_file() and (folder / "recipe.toml").is_file()
    except OSError:  # one that may not be looked into: whoever walks into it will say so
        return False


def _printable(path: Path) -> str:
    """A path as text that can be written down, whatever bytes a file's name has."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def _expand(source: str, folder: Path) -> Path:
    """The path from `folder` on, with `~` filled in."""
    try:
        return folder / Path(source).expanduser()
    except RuntimeError:
        raise DataError(f"data.source = {source!r}: there is no such user; write the whole path") from None


def _unknown(source: str, path: Path, folder: Path) -> DataError:
    if path.is_symlink():
        return DataError(
            f"data.source = {source!r} is a link to {os.readlink(path)}, which does not exist or leads back to it: mend the link"
        )
    if os.sep in source:
        return DataError(
            f"data.source = {source!r}: there is no such file or folder; check the path (from {folder.absolute()})"
        )
    close = difflib.get_close_matches(source, CATALOGUE, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the catalogue has: {', '.join(CATALOGUE)}"
    return DataError(
        f"data.source = {source!r}: there is no such file or folder here (in {folder.absolute()}) and no such catalogue entry; {hint}"
    )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): check that it is there and that you may read it"
    )


def _read_file(name: str, path: Path, source: str, say: Say, named: bool) -> list[Document]:
    """The file as one document; an empty file is skipped, and said, unless it was `named` itself."""
    try:
        if not path.is_file() and path.exists():
            raise DataError(f"{path} is not a regular file: name a text file")
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    text, repairs = decode_text(content, str(path))
    if text:
        return [Document(name, text, source, "unknown", repairs=repairs)]
    if named:
        raise DataError(f"{path} is empty: name a file with text in it")
    say(f"warning: {path} is empty and is skipped")
    return []


def decode_text(content: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """A file's bytes as (text, repairs): UTF-8, its byte order mark dropped, its line endings `\\n`.

    Raises `DataError` that says what the bytes are instead, where, and how to convert them. `name` is for the message.
    """
    repairs: tuple[str, ...] = ()
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{name} is UTF-32 text: convert it, e.g. with  iconv -f utf-32 -t utf-8 FILE > NEW")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{name} is UTF-16 text: convert it, e.g. with  iconv -f utf-16 -t utf-8 FILE > NEW")
    zero = content.find(0)
    if zero >= 0:
        raise DataError(
            f"{name} is not text: byte {zero:,} is zero, as in programs, pictures and archives; name a text file"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8 text: byte {error.start:,} (0x{content[error.start]:02x}, in line {line:,}) "
            f"does not fit; convert it, e.g. with  iconv -f latin1 -t utf-8 FILE > NEW"
        ) from None
    if text.startswith("\ufeff"):
        text = text[1:]
        repairs += (BYTE_ORDER_MARK_REPAIR,)
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        repairs += (LINE_ENDING_REPAIR,)
    return text, repairs


def count_repairs(documents: list[Document]) -> dict[str, int]:
    """In how many documents each repair was made."""
    counts: dict[str, int] = {}
    for document in documents:
        for repair in document.repairs:
            counts[repair] = counts.get(repair, 0) + 1
    return counts


def _say_repairs(documents: list[Document], say: Say) -> None:
    for repair, count in count_repairs(documents).items():
        say(f"{repair} in {count} file{'s' if count != 1 else ''}")

"""Which files a source names: a file, a folder's, a pattern's."""

from __future__ import annotations

import difflib
import fnmatch
import glob
import itertools
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from groundup.errors import DataError
from groundup.text.cache import CACHE_MARK
from groundup.text.catalogue import CATALOGUE, MODELS
from groundup.text.formats import File, is_readable, unreadable
from groundup.text.prepared_file import is_prepared


@dataclass
class Walk:
    """What lies below a folder. Hidden files and folders are left out, and so are the folders of `own_folder`."""

    files: list[Path] = field(default_factory=list)
    """Sorted. A folder that may not be looked into is among them: whoever reads it is told so."""
    not_entered: dict[str, list[Path]] = field(default_factory=dict)
    """Folders that were passed by, by what they are."""


def find_files(source: str, folder: Path) -> list[File]:
    """The files that a path or pattern names, in the order of their names. Raises `DataError` when there is none."""
    path = expand(source, folder)
    try:
        if path.is_dir():
            return _files_of_folder(source, path)
        if path.exists():
            return [File(_printable(Path(path.name)), path, source, named=True)]
    except OSError as error:
        raise unreadable(path, error) from error
    if glob.has_magic(source):
        return _files_of_pattern(source, folder)
    raise _unknown(source, path, folder)


def left_out(source: str, folder: Path) -> tuple[Counter[str], dict[str, list[Path]]]:
    """How many of a folder's files are of no kind that is read, by the end of their name; and the folders in it that were passed by,
    by what they are."""
    path = expand(source, folder)
    if not path.is_dir() or is_prepared(path):
        return Counter(), {}
    found = _walk(path)
    others = (file for file in found.files if not is_readable(file.name) and not file.is_dir())
    return Counter(file.suffix.lower() or "no suffix" for file in others), found.not_entered


def _files_of_folder(source: str, path: Path) -> list[File]:
    if is_prepared(path):
        return [File(file.name, file, source) for file in sorted(path.glob("documents-*.jsonl"))]
    found = _walk(path)
    files = [file for file in found.files if is_readable(file.name) or file.is_dir()]
    if not files:
        passed = "".join(f" ({folders[0]} is {kind} and is not entered)" for kind, folders in found.not_entered.items())
        raise DataError(
            f"data.source = {source!r} is a folder without text files{passed}: put files ending in .txt or .md in it "
            "(or .jsonl, .csv, .parquet, .html, .py and the like)"
        )
    return [File(_printable(file.relative_to(path)), file, source) for file in files]


def _files_of_pattern(source: str, folder: Path) -> list[File]:
    pattern = expand(source, Path())
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    root = folder / Path(*fixed)
    if "**" in pattern.parts:
        matches = _below(root, pattern.parts[len(fixed) :])
    else:
        found = [folder / match for match in sorted(glob.glob(str(pattern), root_dir=folder))]
        matches = [match for match in found if not os.path.isdir(match)]
    files = [
        File(_printable(match.relative_to(root)), match, source)
        for match in matches
        if not any(own_folder(root / part) for part in [*match.relative_to(root).parents][:-1])
    ]
    if not files:
        typed = source.replace(" ", "\\ ")  # as a shell takes it without losing the pattern
        raise DataError(f"data.source = {source!r}: no file matches this pattern; check it, e.g. with  ls {typed}")
    return files


def _walk(folder: Path) -> Walk:
    """Look below a folder; links to folders are not entered, so that none leads in circles."""
    found = Walk()

    def keep(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise unreadable(folder, error)
        found.files.append(Path(error.filename))

    for directory, folders, names in os.walk(folder, onerror=keep):
        entered = []
        for name in sorted(folders):
            path = Path(directory) / name
            if not name.startswith("."):
                if kind := "a link" if path.is_symlink() else own_folder(path):
                    found.not_entered.setdefault(kind, []).append(path)
                else:
                    entered.append(name)
        folders[:] = entered
        found.files += [Path(directory) / name for name in names if not name.startswith(".")]
    found.files.sort()
    return found


def _below(root: Path, pattern: tuple[str, ...]) -> list[Path]:
    """Files below a folder whose path matches a pattern with `**`; walked as `_walk` does, so that no link leads in circles
    and no folder that may not be read is passed over in silence."""
    in_a_name = [fnmatch.translate(part)[4:-3].replace(".*", "[^/]*") for part in pattern]
    parts = ["(?:[^/]+/)*" if part == "**" else f"{name}/" for part, name in zip(pattern, in_a_name, strict=True)]
    matching = re.compile("".join(parts).removesuffix("/")).fullmatch
    return [path for path in _walk(root).files if matching(path.relative_to(root).as_posix()) or os.path.isdir(path)]


def own_folder(folder: Path) -> str:
    """What a folder is that Groundup wrote itself, and whose files are nobody's text; nothing if it is another. (`run` is above this
    layer, so the names of a run's files stand here once more.)"""
    try:
        if (folder / "manifest.json").is_file() and (folder / "recipe.toml").is_file():
            return "a training run"
        if is_prepared(folder):
            return "prepared text"
        return "a cache" if (folder / CACHE_MARK).is_file() else ""
    except OSError:  # one that may not be looked into: whoever walks into it will say so
        return ""


def _printable(path: Path) -> str:
    """A path as text that can be written down, whatever bytes a file's name has."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def expand(source: str, folder: Path) -> Path:
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
    if source.count("/") == 1 and source.replace("/", "").replace("-", "").replace("_", "").isalnum():
        return DataError(
            f"data.source = {source!r}: there is no such file or folder; check the path (from {folder.absolute()}), or write "
            f"hf://{source} if it is a dataset of the Hugging Face hub"
        )
    if os.sep in source:
        return DataError(
            f"data.source = {source!r}: there is no such file or folder; check the path (from {folder.absolute()})"
        )
    if source in MODELS:
        return DataError(
            f"data.source = {source!r} is a model of the catalogue, not a text; its texts: {', '.join(CATALOGUE)}"
        )
    close = difflib.get_close_matches(source, CATALOGUE, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the catalogue has: {', '.join(CATALOGUE)}"
    return DataError(
        f"data.source = {source!r}: there is no such file or folder here (in {folder.absolute()}) and no such catalogue entry; {hint}"
    )

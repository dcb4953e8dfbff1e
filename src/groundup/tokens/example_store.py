"""Example stores: rows of marked ids, one behind the other in a file that is mapped into memory, and what each row teaches.

    train.examples       the marked ids of all rows: `id`, or `~id` (negative) for a token that is read and carries no loss
    train.rows           four numbers a row: where it ends, how many of its tokens carry loss, the UTF-8 bytes of what these say,
                         and whether the token that ends a turn is among them. Written when the ids are: without it there is no store

The rows of a preference pair lie beside each other, the chosen one first.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import PREPARE_AGAIN, open_array, write_array

IDS_KIND, ROWS_KIND = "marked ids", "example rows"
COLUMNS = ("ends", "learned", "text_bytes", "stop_learned")


@dataclass(frozen=True)
class Row:
    """One row, as it goes into a store."""

    ids: Sequence[int] | NDArray[np.integer[Any]]
    """Marked ids."""
    text_bytes: int
    """UTF-8 bytes of what its learned tokens say."""
    stop_learned: bool
    """Whether the token that ends a turn, or a text, carries loss."""


@dataclass(frozen=True)
class ExampleStore:
    """The examples of a split: single rows, or pairs of them."""

    path: Path
    """The file of ids."""
    ids: NDArray[np.int32]
    """(tokens,) marked ids, read-only."""
    table: NDArray[np.int64]
    """(4, rows): `COLUMNS`."""
    width: int
    """How many rows are an example: 1, or 2 for pairs."""
    sha256: str
    """Of the ids and of the table."""

    def __len__(self) -> int:
        """How many examples there are."""
        return int(self.table.shape[1]) // self.width

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """(rows,) where each row's ids end."""
        return np.asarray(self.table[0])

    @property
    def learned(self) -> NDArray[np.int64]:
        """(rows,) how many tokens of each carry loss. The first of a row never does: nothing stands before it."""
        return np.asarray(self.table[1])

    @property
    def text_bytes(self) -> NDArray[np.int64]:
        """(rows,) UTF-8 bytes of what the learned tokens of each say."""
        return np.asarray(self.table[2])

    @property
    def stop_learned(self) -> NDArray[np.bool_]:
        """(rows,) whether the token that ends a turn carries loss."""
        return np.asarray(self.table[3] != 0)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,) how many ids each has."""
        return np.diff(self.ends, prepend=0)

    @property
    def example_lengths(self) -> NDArray[np.int64]:
        """(examples,) how many ids the longest row of each has."""
        lengths: NDArray[np.int64] = self.lengths.reshape(-1, self.width).max(axis=1)
        return lengths

    @property
    def teaching(self) -> NDArray[np.int64]:
        """The numbers of the examples that teach something: each of whose rows has tokens that carry loss."""
        return np.flatnonzero(self.learned.reshape(-1, self.width).all(axis=1))

    @property
    def taught(self) -> NDArray[np.int64]:
        """The numbers of those that are read: `teaching`, or all, if none does."""
        teaching = self.teaching
        return teaching if len(teaching) else np.arange(len(self))

    def row(self, number: int) -> NDArray[np.int32]:
        """The marked ids of a row."""
        return self.ids[int(self.ends[number - 1]) if number else 0 : int(self.ends[number])]

    def rows_of(self, example: int) -> list[NDArray[np.int32]]:
        """The marked ids of an example's rows: of a pair's the chosen one and the rejected one."""
        return [self.row(example * self.width + place) for place in range(self.width)]

    def rows(self, examples: NDArray[np.int64]) -> Iterator[Row]:
        """The rows of some examples, as `write_examples` takes them."""
        for example in examples.tolist():
            for number in range(example * self.width, (example + 1) * self.width):
                yield Row(self.row(number), int(self.text_bytes[number]), bool(self.stop_learned[number]))

    @classmethod
    def open(cls, path: Path, verify: bool) -> ExampleStore:
        """Open a store; with `verify`, read it through and compare its hashes. Raises `DataError`, which names the file, when one is
        damaged or missing."""
        ids, rows = open_array(path, IDS_KIND, verify), open_array(_rows_file(path), ROWS_KIND, verify)
        try:
            table, width = rows.array.reshape(len(COLUMNS), -1), int(rows.header["width"])
            if rows.header["ids_sha256"] != ids.header["sha256"] or table.shape[1] % width:
                raise DataError(f"{rows.path} does not belong to {path.name}: {PREPARE_AGAIN}")
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise DataError(f"{rows.path} has a damaged header: {PREPARE_AGAIN}") from error
        together = hashlib.sha256(f"{ids.header['sha256']} {rows.header['sha256']} {width}".encode()).hexdigest()
        return cls(path, ids.array, table, width, together)


def write_examples(path: Path, rows: Iterable[Row], width: int = 1) -> ExampleStore:
    """Write rows one at a time; of pairs (`width` 2) the chosen row and then the rejected one. Each file appears whole or not at all."""
    columns = {name: array("q") for name in COLUMNS}  # of many, too

    def pieces() -> Iterator[NDArray[np.int32]]:
        written = 0
        for row in rows:
            ids = np.array(row.ids, np.int32)
            assert len(ids)
            assert ids[0] < 0, "nothing stands before a row's first token that it could be predicted from"
            written += len(ids)
            of_row = (written, int(np.count_nonzero(ids >= 0)), row.text_bytes, int(row.stop_learned))
            for column, value in zip(columns.values(), of_row, strict=True):
                column.append(value)
            yield ids

    _rows_file(path).unlink(missing_ok=True)  # of other ids, should there be one
    sha256 = write_array(path, IDS_KIND, "<i4", pieces(), dict)
    parts = [np.array(column, np.int64) for column in columns.values()]
    facts = {"ids_sha256": sha256, "width": width}
    write_array(_rows_file(path), ROWS_KIND, "<i8", parts, lambda: facts)
    return ExampleStore.open(path, verify=False)


def _rows_file(path: Path) -> Path:
    return path.with_suffix(".rows")

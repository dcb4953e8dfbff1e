"""The rows that training reads, as a table made once, and batches that are pure functions of (seed, step).

`stream`: a text of n tokens is cut into W windows of T + 1 tokens: T inputs, and the same moved by one as targets. An epoch
takes each window once, in an order drawn for the epoch; all its windows are moved right by one shift, drawn too, so
that over the epochs the cuts fall everywhere. `best_fit`: rows made of whole documents (packing.py). Which row is sample k,
and its shift, follow from (seed, k) alone (order.py). `documents`: a row for each document, those of like lengths in one
batch (length_buckets.py).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import PREPARE_AGAIN, open_array, write_array
from groundup.tokens.length_buckets import BLOCK_BATCHES, DocumentRows
from groundup.tokens.order import Group, sample_rows
from groundup.tokens.packing import PackedRows
from groundup.tokens.sharded_ids import TokenIds

KIND = "sample plan"


@dataclass(frozen=True)
class Windows:
    """Rows that are windows of the text as it lies there."""

    starts: NDArray[np.int64]
    """(W,) where each begins before it is moved."""

    kind = "stream"

    def __len__(self) -> int:
        return len(self.starts)

    def table(self) -> list[NDArray[np.int64]]:
        """What there is to hash and to keep."""
        return [self.starts]

    def read(
        self,
        ids: TokenIds,
        rows: NDArray[np.int64],
        shifts: NDArray[np.int64],
        sequence_length: int,
        document_ends: NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Rows (n, T + 1), or with `document_ends` (n, 2, T + 1): below the ids, to which document each place belongs."""
        starts = self.starts[rows] + shifts
        # (n, 1) + (T + 1,) -> (n, T + 1)
        places = starts[:, None] + np.arange(sequence_length + 1)
        tokens: NDArray[np.int64] = ids[places].astype(np.int64)
        return tokens if document_ends is None else np.stack([tokens, documents_of(places, document_ends)], axis=1)


def documents_of(places: NDArray[np.int64], document_ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """To which document each place of a store belongs when its token is read: to that of the token it predicts, the next one.

    So an end token belongs to the document that it opens, as when the model writes, and each token is predicted from its own document.
    """
    return np.searchsorted(document_ends, places + 1, side="right")


Rows = Windows | PackedRows | DocumentRows


@dataclass(frozen=True)
class SamplePlan:
    """The table of training rows."""

    sequence_length: int
    """T: the tokens that a row predicts."""
    rows: Rows
    groups: tuple[Group, ...]
    """Which rows belong together, and how many of each an epoch takes. One group of all, unless texts are mixed by shares."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def sha256(self) -> str:
        """Of the table: two runs with one hash and one seed see the same samples in the same order."""
        first = self.groups[0]
        facts: list[Any] = [self.sequence_length, first.max_shift, self.num_rows]
        if not isinstance(self.rows, Windows) or self.groups != (
            Group(0, self.num_rows, self.num_rows, first.max_shift),
        ):
            facts = [self.sequence_length, self.rows.kind, self.groups, self._padding_id]
        if isinstance(self.rows, DocumentRows):
            facts += [self.rows.batch_size, BLOCK_BATCHES]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for part in self.rows.table():
            digest.update(part.astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def _padding_id(self) -> int:
        return 0 if isinstance(self.rows, Windows) else self.rows.padding_id

    def save(self, path: Path) -> None:
        """Write the table, in the format of token stores: the groups, then the rows."""
        facts = {
            "sequence_length": self.sequence_length,
            "packing": self.rows.kind,
            "num_groups": len(self.groups),
            "num_rows": self.num_rows,
            "padding_id": self._padding_id,
        }
        if isinstance(self.rows, DocumentRows):
            facts["batch_size"] = self.rows.batch_size
        write_array(path, KIND, "<i8", [np.array(self.groups, np.int64).ravel(), *self.rows.table()], lambda: facts)

    @classmethod
    def open(cls, path: Path, verify: bool) -> SamplePlan:
        """Read a table that `save` wrote. Raises `DataError` when it is damaged."""
        file = open_array(path, KIND, verify)
        try:
            names = ("sequence_length", "num_groups", "num_rows", "padding_id")
            sequence_length, num_groups, num_rows, padding_id = (int(file.header[name]) for name in names)
            columns = len(Group._fields)
            groups = tuple(Group(*row) for row in file.array[: num_groups * columns].reshape(-1, columns).tolist())
            table = file.array[num_groups * columns :]
            if file.header["packing"] == Windows.kind:
                return cls(sequence_length, Windows(table), groups)
            if file.header["packing"] == DocumentRows.kind:
                rows = DocumentRows(table.reshape(-1, 3), padding_id, int(file.header["batch_size"]))
                return cls(sequence_length, rows, groups)
            packed = PackedRows(table[: num_rows + 1], table[num_rows + 1 :].reshape(-1, 3), padding_id)
            return cls(sequence_length, packed, groups)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} has a damaged header: {PREPARE_AGAIN}") from error


def make_plan(num_tokens: int, sequence_length: int) -> SamplePlan:
    """The windows of a text, all in one group. Needs at least T + 1 tokens."""
    starts, max_shift = cut_windows(num_tokens, sequence_length)
    return SamplePlan(sequence_length, Windows(starts), (Group(0, len(starts), len(starts), max_shift),))


def cut_windows(num_tokens: int, sequence_length: int) -> tuple[NDArray[np.int64], int]:
    """Windows of T + 1 tokens at 0, T, 2T, …: one fewer than fit, when more than one fits, to leave room for the shift. (W,) where
    they begin, and the greatest shift."""
    assert sequence_length >= 1
    assert num_tokens > sequence_length
    num_windows = max(1, (num_tokens - 1) // sequence_length - 1)
    starts = np.arange(num_windows, dtype=np.int64) * sequence_length
    return starts, num_tokens - 1 - num_windows * sequence_length


def training_batch(
    ids: TokenIds,
    plan: SamplePlan,
    seed: int,
    step: int,
    batch_size: int,
    document_ends: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The samples `step * batch_size + i` for i < batch_size: (batch_size, T + 1) ids, `~id` for those that carry no loss.

    With `document_ends` (documents,) each place's document stands below its id: (batch_size, 2, T + 1). Depends on nothing but the
    arguments, so any part of a batch can be made anywhere: samples i to j of a batch are rows i to j.
    """
    samples = step * batch_size + np.arange(batch_size)
    if isinstance(plan.rows, DocumentRows):
        rows, shifts = plan.rows.order(plan.groups, seed, samples), np.zeros_like(samples)
    else:
        rows, shifts = sample_rows(plan.groups, seed, samples)
    return plan.rows.read(ids, rows, shifts, plan.sequence_length, document_ends)


def cut_rows(batch: NDArray[np.int64], most_pieces: int = 4) -> NDArray[np.int64]:
    """Each row of T + 1 tokens as up to `most_pieces` shorter ones, as many as divide T evenly: the same predictions, from less context.

    Shape (B · pieces, T / pieces + 1), with documents below the ids (B · pieces, 2, T / pieces + 1). The last token of a piece is
    the first of the next, since it is predicted in one and read in the other.
    """
    length = batch.shape[-1] - 1
    pieces = next(count for count in range(most_pieces, 0, -1) if length % count == 0)
    short = length // pieces
    starts = np.arange(pieces)[:, None] * short  # (pieces, 1)
    cut = batch[..., starts + np.arange(short + 1)]  # (B, pieces, T/pieces + 1), or (B, 2, pieces, T/pieces + 1)
    if batch.ndim == 3:
        cut = cut.swapaxes(1, 2)
    rows: NDArray[np.int64] = cut.reshape(-1, *batch.shape[1:-1], short + 1)
    return rows


def validation_windows(num_tokens: int, sequence_length: int, max_tokens: int = 0) -> NDArray[np.int64]:
    """Windows in which each token but the first is predicted exactly once: (windows, 2) as (start, end).

    A window's inputs are `ids[start:end]`, its targets `ids[start + 1 : end + 1]`: window j predicts the tokens jT + 1
    to (j + 1)T, the last window up to n - 1. With `max_tokens` above 0: windows that together predict at most so many
    tokens (but at least one window), evenly spread.
    """
    starts = np.arange(0, num_tokens - 1, sequence_length, dtype=np.int64)
    if 0 < max_tokens < num_tokens - 1:
        count = max(1, max_tokens // sequence_length)
        starts = starts[np.arange(count) * len(starts) // count]
    ends = np.minimum(starts + sequence_length, num_tokens - 1)
    return np.stack([starts, ends], axis=1)

"""Which examples make which row of training, and which rows which batch: a table made once, and pure functions of (seed, step).

By length (`packed` False): an example is a row, and rows of like lengths share a batch, which is as wide as its longest. Packed:
several whole examples a row, put together by best fit (packing.py); attention stays within each, and its positions count
from 0. In both, an epoch's rows are drawn as those of any plan (order.py) and dealt out by length (length_buckets.py).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import PREPARE_AGAIN, open_array, write_array
from groundup.tokens.example_store import ExampleStore
from groundup.tokens.length_buckets import BLOCK_BATCHES, bucket_order, padding_share
from groundup.tokens.order import Group
from groundup.tokens.packing import NO_SEGMENT, best_fit

KIND = "example plan"


@dataclass(frozen=True)
class ExamplePlan:
    """The rows of training."""

    first_example: NDArray[np.int64]
    """(R + 1,) the place in `examples` of each row's first one; at the end, how many there are."""
    examples: NDArray[np.int64]
    """(E,) row by row, the numbers of examples in the store."""
    lengths: NDArray[np.int64]
    """(R,) how many tokens each row needs: of a pair as many as its longer half."""
    packed: bool
    batch_size: int
    """How many rows are to have like lengths."""
    padding_id: int
    """What stands behind a row that is shorter than the longest of its batch."""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def num_rows(self) -> int:
        """How many rows an epoch has."""
        return len(self)

    @cached_property
    def sha256(self) -> str:
        """Of the table: two runs with one hash, one store and one seed see the same batches in the same order."""
        digest = hashlib.sha256(json.dumps([self._facts(), BLOCK_BATCHES]).encode())
        for part in self._table():
            digest.update(part.astype("<i8").tobytes())
        return digest.hexdigest()

    def batch(self, store: ExampleStore, seed: int, step: int, batch_size: int) -> NDArray[np.int64]:
        """The rows `step * batch_size + i` for i < batch_size, as `examples_batch` or `packed_batch` gives them.

        Depends on nothing but the arguments, so any part of a batch can be made anywhere.
        """
        samples = step * batch_size + np.arange(batch_size)
        rows = bucket_order(self.lengths, self._groups, self.batch_size, seed, samples)
        if self.packed:
            inside = [self.examples[self.first_example[row] : self.first_example[row + 1]] for row in rows]
            return packed_batch(store, inside, self.padding_id)
        return examples_batch(store, self.examples[rows], self.padding_id)

    def padding_share(self, store: ExampleStore) -> float:
        """Which part of an epoch's batches is padding: the first epoch's, with the seed 0."""
        tokens = store.lengths.reshape(-1, store.width).mean(axis=1)[self.examples]
        filled = np.add.reduceat(tokens, self.first_example[:-1]) if len(self) else tokens
        return padding_share(self.lengths, self._groups, self.batch_size, 0, filled) if len(self) else 0.0

    def save(self, path: Path) -> None:
        """Write the table, in the format of token stores."""
        write_array(path, KIND, "<i8", self._table(), self._facts)

    @classmethod
    def open(cls, path: Path, verify: bool) -> ExamplePlan:
        """Read a table that `save` wrote. Raises `DataError` when it is damaged."""
        file = open_array(path, KIND, verify)
        try:
            num_rows, batch_size, padding_id = (
                int(file.header[name]) for name in ("num_rows", "batch_size", "padding_id")
            )
            packed = bool(file.header["packed"])
            first, lengths = file.array[: num_rows + 1], file.array[num_rows + 1 : 2 * num_rows + 1]
            examples = file.array[2 * num_rows + 1 :]
            if len(first) != num_rows + 1 or int(first[-1]) != len(examples):
                raise ValueError
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} has a damaged header: {PREPARE_AGAIN}") from error
        return cls(first, examples, lengths, packed, batch_size, padding_id)

    @property
    def _groups(self) -> tuple[Group]:
        return (Group(0, len(self), len(self), 0),)

    def _table(self) -> list[NDArray[np.int64]]:
        return [self.first_example, self.lengths, self.examples]

    def _facts(self) -> dict[str, int | bool]:
        return {
            "num_rows": len(self),
            "packed": self.packed,
            "batch_size": self.batch_size,
            "padding_id": self.padding_id,
        }


def plan_examples(
    store: ExampleStore, packed: bool, sequence_length: int, batch_size: int, padding_id: int
) -> ExamplePlan:
    """A plan of the examples that teach something; if none does, of all.

    `packed`: into rows of up to `sequence_length` tokens; examples are no longer than that, and are no pairs.
    """
    examples = store.taught
    lengths = store.example_lengths[examples]
    if not packed:
        return ExamplePlan(np.arange(len(examples) + 1), examples, lengths, False, batch_size, padding_id)
    assert store.width == 1
    rows_of = best_fit(lengths, sequence_length)
    num_rows = int(rows_of.max(initial=-1)) + 1
    order = np.argsort(rows_of, kind="stable")
    first = np.searchsorted(rows_of[order], np.arange(num_rows + 1)).astype(np.int64)
    filled = np.bincount(rows_of, lengths, num_rows).astype(np.int64)
    return ExamplePlan(first, examples[order], filled, True, batch_size, padding_id)


def examples_batch(store: ExampleStore, examples: NDArray[np.int64], padding_id: int) -> NDArray[np.int64]:
    """Some examples (B,), as wide as the longest: marked ids (B, L + 1), or for pairs (B, 2, L + 2), before whose ids
    (the chosen row's above the rejected one's) stands the pair's number in the store."""
    rows = [row for example in examples.tolist() for row in store.rows_of(example)]
    batch = np.full((len(rows), max(map(len, rows))), ~padding_id, np.int64)
    for place, row in enumerate(rows):
        batch[place, : len(row)] = row
    if store.width == 1:
        return batch
    numbers = np.repeat(examples, store.width)[:, None]
    pairs: NDArray[np.int64] = np.concatenate([numbers, batch], axis=1).reshape(len(examples), store.width, -1)
    return pairs


def packed_batch(store: ExampleStore, rows: list[NDArray[np.int64]], padding_id: int) -> NDArray[np.int64]:
    """Rows of several examples each, as wide as the longest: (B, 2, L + 1), below each marked id to which example of its row it belongs.

    An example's first token carries no loss, so nothing is predicted from the example before it.
    """
    width = max(sum(len(store.row(example)) for example in row) for row in rows)
    batch = np.empty((len(rows), 2, width), np.int64)
    batch[:, 0], batch[:, 1] = ~padding_id, NO_SEGMENT
    for number, row in enumerate(rows):
        place = 0
        for segment, example in enumerate(row.tolist()):
            ids = store.row(example)
            batch[number, 0, place : place + len(ids)] = ids
            batch[number, 1, place : place + len(ids)] = segment
            place += len(ids)
    return batch

"""The order of training samples: a table made once, and batches that are pure functions of (seed, step).

A text of n tokens is cut into W windows of T + 1 tokens: T inputs, and the same moved by one as targets. An epoch
takes each window once, in an order drawn for the epoch; all its windows are moved right by one shift, drawn too, so
that over the epochs the cuts fall everywhere. Which window is sample k, and its shift, follow from (seed, k) alone:
nothing about the order is ever saved.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import PREPARE_AGAIN, open_array, write_array

KIND = "sample plan"


@dataclass(frozen=True)
class SamplePlan:
    """The table of training windows."""

    sequence_length: int
    """T: the tokens that a window predicts."""
    starts: NDArray[np.int64]
    """(W,) where each window begins before it is moved."""
    max_shift: int
    """The farthest that windows can be moved right."""

    @property
    def num_windows(self) -> int:
        """W."""
        return len(self.starts)

    @property
    def sha256(self) -> str:
        """Of the table: two runs with one hash and one seed see the same samples in the same order."""
        facts = json.dumps([self.sequence_length, self.max_shift, self.num_windows]).encode()
        return hashlib.sha256(facts + self.starts.astype("<i8").tobytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the table, in the format of token stores."""
        facts = {"sequence_length": self.sequence_length, "max_shift": self.max_shift}
        write_array(path, KIND, "<i8", [self.starts], lambda: facts)

    @classmethod
    def open(cls, path: Path, verify: bool) -> SamplePlan:
        """Read a table that `save` wrote. Raises `DataError` when it is damaged."""
        file = open_array(path, KIND, verify)
        try:
            return cls(int(file.header["sequence_length"]), file.array, int(file.header["max_shift"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} has a damaged header: {PREPARE_AGAIN}") from error


def make_plan(num_tokens: int, sequence_length: int) -> SamplePlan:
    """Windows of T + 1 tokens at 0, T, 2T, …: one fewer than fit, when more than one fits, to leave room for the shift.

    Needs at least T + 1 tokens.
    """
    assert sequence_length >= 1
    assert num_tokens > sequence_length
    num_windows = max(1, (num_tokens - 1) // sequence_length - 1)
    starts = np.arange(num_windows, dtype=np.int64) * sequence_length
    return SamplePlan(sequence_length, starts, num_tokens - 1 - num_windows * sequence_length)


def training_batch(ids: NDArray[Any], plan: SamplePlan, seed: int, step: int, batch_size: int) -> NDArray[np.int64]:
    """The samples `step * batch_size + i` for i < batch_size: (batch_size, T + 1) ids.

    Sample k is window number `k mod W` in the order of epoch `k div W`. Depends on nothing but the arguments, so any
    part of a batch can be made anywhere: samples i to j of a batch are rows i to j.
    """
    samples = step * batch_size + np.arange(batch_size)
    epochs, places = np.divmod(samples, plan.num_windows)
    starts = np.empty(batch_size, np.int64)
    for epoch in np.unique(epochs):
        order, shift = _epoch_order(plan.num_windows, plan.max_shift, seed, int(epoch))
        here = epochs == epoch
        starts[here] = plan.starts[order[places[here]]] + shift
    # (batch_size, 1) + (T + 1,) -> (batch_size, T + 1)
    batch: NDArray[np.int64] = ids[starts[:, None] + np.arange(plan.sequence_length + 1)].astype(np.int64)
    return batch


def cut_rows(batch: NDArray[np.int64], most_pieces: int = 4) -> NDArray[np.int64]:
    """Each row of T + 1 tokens as up to `most_pieces` shorter ones, as many as divide T evenly: the same predictions, from less context.

    Shape (B · pieces, T / pieces + 1). The last token of a piece is the first of the next, since it is predicted in one and
    read in the other.
    """
    length = batch.shape[1] - 1
    pieces = next(count for count in range(most_pieces, 0, -1) if length % count == 0)
    short = length // pieces
    starts = np.arange(pieces)[:, None] * short  # (pieces, 1)
    cut: NDArray[np.int64] = batch[:, starts + np.arange(short + 1)].reshape(-1, short + 1)  # (B, pieces, T/pieces + 1)
    return cut


@functools.lru_cache(maxsize=2)
def _epoch_order(num_windows: int, max_shift: int, seed: int, epoch: int) -> tuple[NDArray[np.int64], int]:
    """The order of an epoch's windows, (W,), and its shift.

    Only the raw stream of a seeded generator is used, which numpy promises never to change (NEP 19); `permutation` it
    may. Sorting W random 64-bit numbers gives each order equally often, but for ties, which are as good as
    impossible.
    """
    numbers = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(num_windows + 1)
    return np.argsort(numbers[:-1], kind="stable"), int(numbers[-1] % np.uint64(max_shift + 1))


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

"""Rows of one document each, those of like length in one batch, so that little of a batch is padding (Khomenko et al. 2016,
Accelerating recurrent neural network training using sequence bucketing and multi-GPU data parallelization).

A document of up to T tokens is one row; a longer one is cut as for packing. An epoch's rows are drawn as they are of any plan. They are
taken in blocks of `BLOCK_BATCHES` batches; within a block they are sorted by length and cut into batches, and the batches are
put in an order drawn for the block: so lengths do not rise and fall with the steps. A batch that spans two epochs is left as
it was drawn, so each epoch takes what it would take without buckets. All of it follows from (plan, seed, batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.tokens.order import Group, draw_order, sample_rows
from groundup.tokens.packing import BEGIN, LENGTH
from groundup.tokens.sharded_ids import TokenIds

BLOCK_BATCHES = 50


@dataclass(frozen=True)
class DocumentRows:
    """Rows that are one document, or a piece of one, each."""

    pieces: NDArray[np.int64]
    """(P, 3) the rows: `BEGIN`, `LENGTH`, `CONTINUES`."""
    padding_id: int
    """What stands behind a row that is shorter than the longest of its batch."""
    batch_size: int
    """How many rows are to have like lengths."""

    kind = "documents"

    def __len__(self) -> int:
        return len(self.pieces)

    def table(self) -> list[NDArray[np.int64]]:
        """What there is to hash and to keep."""
        return [self.pieces.ravel()]

    def order(self, groups: Sequence[Group], seed: int, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows (n,) that samples (n,) are. `groups` are the plan's."""
        return bucket_order(self.pieces[:, LENGTH], groups, self.batch_size, seed, samples)

    def padding_share(self, groups: Sequence[Group], seed: int) -> float:
        """Which part of an epoch's batches is padding."""
        return padding_share(self.pieces[:, LENGTH], groups, self.batch_size, seed)

    def read(
        self,
        ids: TokenIds,
        rows: NDArray[np.int64],
        shifts: NDArray[np.int64],
        sequence_length: int,
        document_ends: NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Rows (n, L + 1), L being the longest one's tokens, `~id` for those without loss.

        No document stands below a token: there is one in each row, behind which comes nothing that is predicted, so a token sees its
        own in any case.
        """
        begins, lengths = self.pieces[rows, BEGIN], self.pieces[rows, LENGTH]
        places = np.arange(int(lengths.max()) + 1)
        there = places <= lengths[:, None]  # (n, L + 1)
        # The place before the first of all is the very last one: an end token as well, as when the model begins to write.
        tokens: NDArray[np.int64] = ids[np.where(there, begins[:, None] - 1 + places, 0)].astype(np.int64)
        tokens[~there] = ~self.padding_id
        return tokens


def bucket_order(
    lengths: NDArray[np.int64], groups: Sequence[Group], batch_size: int, seed: int, samples: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows (n,) that samples (n,) are, where rows have the `lengths` (R,) and those of like length share a batch."""
    rows = np.empty_like(samples)
    batches, places = np.divmod(samples, batch_size)
    for batch in np.unique(batches).tolist():
        begin, end = _block_of(_epoch_rows(groups), batch_size, batch)
        here = batches == batch
        rows[here] = _block(lengths, groups, batch_size, seed, begin, end)[batch - begin, places[here]]
    return rows


def padding_share(
    lengths: NDArray[np.int64],
    groups: Sequence[Group],
    batch_size: int,
    seed: int,
    filled: NDArray[np.float64] | None = None,
) -> float:
    """Which part of an epoch's batches is padding: of those that lie in the first epoch whole, with this seed, or of the first
    batch, if that takes more than an epoch. `filled` (R,): how much of each row is no padding, if that is less than its length.
    """
    tokens_of = lengths if filled is None else filled
    places, tokens, batch = 0.0, 0.0, 0
    epoch_rows = _epoch_rows(groups)
    while batch < max(1, epoch_rows // batch_size):
        batch, end = _block_of(epoch_rows, batch_size, batch)
        rows = _block(lengths, groups, batch_size, seed, batch, end)
        places += float(lengths[rows].max(axis=1).sum()) * batch_size
        tokens += float(tokens_of[rows].sum())
        batch = end
    return 1 - tokens / max(1, places)


def _epoch_rows(groups: Sequence[Group]) -> int:
    return sum(group.drawn for group in groups)


def _block(
    lengths: NDArray[np.int64], groups: Sequence[Group], batch_size: int, seed: int, begin: int, end: int
) -> NDArray[np.int64]:
    """The rows of the batches `begin` to `end`, which are a block: (end - begin, batch_size)."""
    drawn, _ = sample_rows(groups, seed, np.arange(begin * batch_size, end * batch_size))
    if end - begin == 1:  # it may span two epochs, whose rows must not trade places
        return drawn[None]
    sorted_rows = drawn[np.argsort(lengths[drawn], kind="stable")].reshape(-1, batch_size)
    # A third number that is 0 and a fourth that isn't keep these apart from the orders of epochs and of groups.
    order, _ = draw_order([seed, begin, 0, 1], end - begin, 0)
    rows: NDArray[np.int64] = sorted_rows[order]
    return rows


def _block_of(epoch_rows: int, batch_size: int, batch: int) -> tuple[int, int]:
    """The first batch of a batch's block, and the one after its last. One that spans two epochs is by itself."""
    epoch = batch * batch_size // epoch_rows
    first, end = (
        -(-epoch * epoch_rows // batch_size),
        (epoch + 1) * epoch_rows // batch_size,
    )  # batches within the epoch
    if batch >= end:
        return batch, batch + 1
    begin = first + (batch - first) // BLOCK_BATCHES * BLOCK_BATCHES
    return begin, min(begin + BLOCK_BATCHES, end)

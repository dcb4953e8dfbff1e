"""Best-fit packing: documents into rows of one length, few of them cut (Ding et al. 2024, Fewer Truncations Improve Language Modeling).

A row predicts T tokens. A document of up to T tokens, the end token behind it included, stays whole; a longer one is cut into
pieces of T and a last one. The pieces go into rows, the longest first, each into the row with the least room that still holds
it. What room is left is padding. Every token of every document is predicted in exactly one row, from what stands before it in
its own document: a row begins with the token before its first piece, which for a document's beginning is an end token, as when
the model writes.

In a row, `~id` (a negative number) stands for the token `id` where it carries no loss: it is read, but not predicted.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.tokens.sharded_ids import TokenIds

BEGIN, LENGTH, CONTINUES = 0, 1, 2
"""The columns of a table of pieces: place of the first token in the store, number of tokens, whether its document began before it."""
NO_SEGMENT = -1


def cut_documents(ends: NDArray[np.int64], sequence_length: int, begin: int = 0) -> NDArray[np.int64]:
    """The pieces (P, 3) of documents that lie one after the other from `begin` to each of `ends` (documents,), in order."""
    begins = np.concatenate([[begin], ends[:-1]]).astype(np.int64) if len(ends) else np.zeros(0, np.int64)
    lengths = ends - begins
    counts = -(-lengths // sequence_length)  # pieces of each document
    first_piece = np.repeat(np.cumsum(counts) - counts, counts)
    within = (np.arange(int(counts.sum())) - first_piece) * sequence_length  # where in its document each piece begins
    pieces = np.empty((len(within), 3), np.int64)
    pieces[:, BEGIN] = np.repeat(begins, counts) + within
    pieces[:, LENGTH] = np.minimum(np.repeat(lengths, counts) - within, sequence_length)
    pieces[:, CONTINUES] = within > 0
    return pieces


def best_fit(lengths: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """Into which row each of `lengths` goes, (n,): in falling order, each into the row with the least room that holds it.

    Lengths are 1 to `capacity`. All pieces of a length are placed at once: while the row with the least room holds another
    one it stays the best, so a row takes as many as fit before the next is looked at.
    """
    rows_of = np.empty(len(lengths), np.int64)
    rooms: list[int] = []  # how much room rows have, each number once, rising
    rows_with: dict[int, list[NDArray[np.int64]]] = {}  # and which rows they are
    num_rows = 0
    order = np.argsort(-lengths, kind="stable")
    changes = np.flatnonzero(np.diff(lengths[order])) + 1
    for pieces in np.split(order, changes) if len(order) else []:
        length = int(lengths[pieces[0]])
        while len(pieces):
            place = bisect_left(rooms, length)
            room = rooms.pop(place) if place < len(rooms) else capacity
            each = room // length
            needed = -(-len(pieces) // each)
            if room == capacity:
                there = np.arange(num_rows, num_rows + needed)
                num_rows += needed
            else:
                there = np.concatenate(rows_with.pop(room))
                if len(there) > needed:
                    insort(rooms, room)
                    rows_with[room] = [there[needed:]]
                    there = there[:needed]
            here = pieces[: len(there) * each]
            rows_of[here] = np.repeat(there, each)[: len(here)]
            pieces = pieces[len(here) :]
            in_last = len(here) - each * (len(there) - 1)
            for left, rows in ((room - each * length, there[:-1]), (room - in_last * length, there[-1:])):
                if left and len(rows):
                    if left not in rows_with:
                        insort(rooms, left)
                    rows_with.setdefault(left, []).append(rows)
    return rows_of


@dataclass(frozen=True)
class PackedRows:
    """Rows made of pieces of documents."""

    first_piece: NDArray[np.int64]
    """(R + 1,) the number of each row's first piece; at the end, how many pieces there are."""
    pieces: NDArray[np.int64]
    """(P, 3) row by row: `BEGIN`, `LENGTH`, `CONTINUES`."""
    padding_id: int
    """What stands where nothing does."""

    kind = "best_fit"

    def __len__(self) -> int:
        return len(self.first_piece) - 1

    def table(self) -> list[NDArray[np.int64]]:
        """What there is to hash and to keep."""
        return [self.first_piece, self.pieces.ravel()]

    def read(
        self,
        ids: TokenIds,
        rows: NDArray[np.int64],
        shifts: NDArray[np.int64],
        sequence_length: int,
        document_ends: NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Rows (n, T + 1), or with `document_ends` (n, 2, T + 1): below the ids, to which piece each place belongs.

        A place belongs to the document of the token that it predicts; so an end token belongs to the document that it opens.
        """
        tokens = np.full((len(rows), sequence_length + 1), ~self.padding_id, np.int64)
        segments = np.full_like(tokens, NO_SEGMENT)
        for number, row in enumerate(rows):
            place = 0
            for piece in range(self.first_piece[row], self.first_piece[row + 1]):
                begin, length, continues = self.pieces[piece].tolist()
                if (
                    place == 0 or continues
                ):  # what it is predicted from; else it is the end token that stands there already
                    before = int(ids[begin - 1])  # of the first of all the very last one: an end token as well
                    tokens[number, place] = ~before if place else before
                    place += 1
                segments[number, place - 1 : place - 1 + length] = piece
                tokens[number, place : place + length] = ids[begin : begin + length]
                place += length
        return tokens if document_ends is None else np.stack([tokens, segments], axis=1)


def pack(pieces: NDArray[np.int64], sequence_length: int, padding_id: int) -> PackedRows:
    """Pieces (P, 3) in rows that predict T tokens.

    A piece that goes on with a document needs room for the token before it too, unless it fills a row. It stands first in its row,
    where that token has its place anyway, or brings it along; every other piece of a row begins a document, and the one before
    it ends with an end token.
    """
    continues = pieces[:, CONTINUES] != 0
    whole = pieces[:, LENGTH] == sequence_length
    rows_of = best_fit(pieces[:, LENGTH] + (continues & ~whole), sequence_length)
    order = np.lexsort((np.arange(len(pieces)), -pieces[:, LENGTH], ~continues, rows_of))
    first_piece = np.searchsorted(rows_of[order], np.arange(int(rows_of.max(initial=-1)) + 2))
    return PackedRows(first_piece.astype(np.int64), np.ascontiguousarray(pieces[order]), padding_id)

"""Ids that lie in several files, read as one sequence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class ShardedIds:
    """One sequence of ids over several arrays, read-only: its length, an id, a slice, or those at an array of places.

    Negative places count from the end, as in numpy. What is read is an array; a slice within one shard is a view of it.
    """

    def __init__(self, shards: Sequence[NDArray[Any]]) -> None:
        self.shards = tuple(shards)
        self.dtype: np.dtype[Any] = self.shards[0].dtype
        self._ends = np.cumsum([len(shard) for shard in self.shards])  # (shards,)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.shards)

    def tolist(self) -> list[int]:
        """All of them as Python's numbers."""
        return [number for shard in self.shards for number in shard.tolist()]

    @overload
    def __getitem__(self, places: int | np.integer[Any]) -> np.integer[Any]: ...
    @overload
    def __getitem__(self, places: slice | NDArray[np.integer[Any]]) -> NDArray[Any]: ...
    def __getitem__(
        self, places: int | np.integer[Any] | slice | NDArray[np.integer[Any]]
    ) -> np.integer[Any] | NDArray[Any]:
        if isinstance(places, slice):
            begin, end, step = places.indices(len(self))
            return self._between(begin, max(begin, end)) if step == 1 else self[np.arange(begin, end, step)]
        found = self._at(np.asarray(places))
        return found if isinstance(places, np.ndarray) else found[()]

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them in memory."""
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _between(self, begin: int, end: int) -> NDArray[Any]:
        parts = []
        for shard, last in zip(self.shards, self._ends.tolist(), strict=True):
            first = last - len(shard)
            if first < end and begin < last:
                parts.append(shard[max(begin - first, 0) : end - first])
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, self.dtype), *parts], dtype=self.dtype)

    def _at(self, places: NDArray[np.integer[Any]]) -> NDArray[Any]:
        places = np.where(places < 0, places + len(self), places)
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"there are {len(self):,} ids, and none at some of the places asked for")
        found = np.empty(places.shape, self.dtype)
        numbers = np.searchsorted(self._ends, places, side="right")  # in which shard each is
        for number in np.flatnonzero(np.bincount(numbers.ravel())).tolist():
            here, shard = numbers == number, self.shards[number]
            found[here] = shard[places[here] - (self._ends[number] - len(shard))]
        return found


TokenIds = NDArray[Any] | ShardedIds
"""(tokens,) the ids of a text: an array where they lie in one file, else a sequence that reads like one."""


def one_sequence(shards: Sequence[NDArray[Any]]) -> TokenIds:
    """Shards as one sequence; a single one as it is, which costs nothing."""
    return shards[0] if len(shards) == 1 else ShardedIds(shards)

"""Slots: the rows of one cache, each with the ids whose keys and values it holds.

What a text leaves behind stays until its row is needed, so that a prompt with the same beginning needn't read it again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from groundup.model.transformer import KVCache

LEAST_SHARED = 16  # tokens: a beginning shorter than that is read sooner than it is copied


@dataclass(eq=False)
class Slot:
    """One row of the cache."""

    ids: list[int] = field(default_factory=list)
    """The tokens whose keys and values it holds, the first in the row's first place."""
    left: int = 0
    """When a text last left it: the higher the later."""


class Slots:
    """The rows in the order in which they lie in the cache; the first `num_running` are taken."""

    def __init__(self, cache: KVCache) -> None:
        self.cache = cache
        self.all = [Slot() for _ in cache.lengths]
        self.num_running = 0
        self._num_left = 0
        self._viewed, self._view = (0, len(self.all)), copy.copy(cache)

    def take(self, ids: Sequence[int]) -> Slot:
        """A free row for a text of these ids, which is the last running one from now on; it keeps what it holds of the
        ids' beginning.

        The row that holds most of the beginning, if that is most of what it holds; else the one that was left longest ago.
        """
        free = self.all[self.num_running :]
        shared, best = max(((common_beginning(slot.ids, ids), i) for i, slot in enumerate(free)), default=(0, 0))
        if shared < LEAST_SHARED or 2 * shared < len(free[best].ids):
            best = min(range(len(free)), key=lambda i: free[i].left)
        slot = free[best]
        del slot.ids[common_beginning(slot.ids, ids) :]
        self.exchange(self.num_running, self.num_running + best)
        self.num_running += 1
        return slot

    def give_back_last(self) -> None:
        """Free the last row that is taken; what it holds stays."""
        self.num_running -= 1
        self._num_left += 1
        self.all[self.num_running].left = self._num_left

    def share(self, place: int, ids: Sequence[int]) -> None:
        """Copy the beginning of the ids from whichever row holds more of it than the row at this place."""
        slot = self.all[place]
        shared, source = max((common_beginning(other.ids, ids), i) for i, other in enumerate(self.all))
        if shared < len(slot.ids) + LEAST_SHARED:
            return
        self._copy(source, place, len(slot.ids), shared)
        slot.ids = list(ids[:shared])

    def view(self, start: int, stop: int) -> KVCache:
        """These rows as a cache that shares their room."""
        if self._viewed != (start, stop):  # mostly the rows are those of the step before
            self._viewed, self._view = (start, stop), copy.copy(self.cache)
            self._view.keys, self._view.values = self.cache.keys[:, start:stop], self.cache.values[:, start:stop]
        self._view.lengths = [len(slot.ids) for slot in self.all[start:stop]]
        return self._view

    @torch.inference_mode()
    def exchange(self, one: int, other: int) -> None:
        """Let two rows change places."""
        if one == other:
            return
        lengths = len(self.all[one].ids), len(self.all[other].ids)
        if min(lengths) > 0:
            for stored in (self.cache.keys, self.cache.values):  # (layers, rows, G, max_len, K)
                kept = stored[:, one, :, : lengths[0]].clone()
                stored[:, one, :, : lengths[1]] = stored[:, other, :, : lengths[1]]
                stored[:, other, :, : lengths[0]] = kept
        elif lengths[0]:
            self._copy(one, other, 0, lengths[0])
        elif lengths[1]:
            self._copy(other, one, 0, lengths[1])
        self.all[one], self.all[other] = self.all[other], self.all[one]

    def _copy(self, source: int, target: int, start: int, stop: int) -> None:
        for stored in (self.cache.keys, self.cache.values):
            stored[:, target, :, start:stop] = stored[:, source, :, start:stop]


def common_beginning(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts share from their first on."""
    shortest = min(len(a), len(b))
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), shortest)

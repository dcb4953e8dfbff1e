"""Slots: the rows of one cache, each with the ids whose keys and values it holds.

What a text leaves behind stays until its row is needed, so that a prompt with the same beginning needn't read it again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from groundup.cores import memory_bytes
from groundup.errors import GenerationError
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import KVCache

BYTES_A_SLOT = 10_000  # of Python's: its list of ids, its random numbers, its stream of text
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
        shared, best = _longest_beginning(free, ids)
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
        shared, source = _longest_beginning(self.all, ids)
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


def _longest_beginning(slots: Sequence[Slot], ids: Sequence[int]) -> tuple[int, int]:
    """How many of the ids' first a row holds at most, and which row does; (0, 0) for ids too few to be shared."""
    longest = (0, 0)
    for place, slot in enumerate(slots):
        if longest[0] == len(ids) or len(ids) < LEAST_SHARED:
            break  # of a thousand samples of one prompt each finds the first
        if len(slot.ids) > longest[0]:
            longest = max(longest, (common_beginning(slot.ids, ids), place))
    return longest


def common_beginning(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts share from their first on."""
    shortest = min(len(a), len(b))
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), shortest)


def require_room(config: TransformerConfig, bytes_a_number: int, max_len: int, num_slots: int) -> None:
    """Raise `GenerationError` when a cache of so many rows would not fit into this machine's memory."""
    there = memory_bytes()
    a_token = 2 * config.num_layers * config.num_kv_heads * config.head_dim * bytes_a_number
    needed = num_slots * (max_len * a_token + BYTES_A_SLOT)
    if needed > there > 0:
        raise GenerationError(
            f"{num_slots:,} texts at once need about {needed / 1e9:,.0f} GB, and this machine has {there / 1e9:,.0f} GB: "
            "ask for fewer at a time"
        )

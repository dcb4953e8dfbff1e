"""Which row of a plan is sample k: a pure function of the plan's groups, a seed and k. Nothing about the order is ever saved.

Rows that are alike (of one source, of one language) form a group. An epoch takes of each group as many rows as its `drawn`
says, all of them mixed in an order drawn for the epoch. Each group is gone through in an order of its own, from epoch to epoch:
none of its rows comes again before all of them have come.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Order = tuple[NDArray[np.int64], int]
"""The order in which rows come, and the shift they have meanwhile."""


class Group(NamedTuple):
    """Rows that lie beside each other in a plan's table."""

    first: int
    """The number of the first of them."""
    num_rows: int
    drawn: int
    """How many an epoch takes: fewer than there are, or more, in which case some come more than once."""
    max_shift: int
    """The farthest that the rows can be moved right; each time the group is gone through it is by another shift."""


def sample_rows(
    groups: Sequence[Group], seed: int, samples: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that samples (n,) are, and their shifts: two arrays (n,).

    With E rows an epoch, sample k is number `k mod E` in the order of epoch `k div E`.
    """
    if len(groups) == 1 and groups[0].drawn == groups[0].num_rows:
        return _in_turns(groups[0], samples, functools.partial(_epoch_order, seed))
    drawn = np.array([group.drawn for group in groups])
    epoch_rows = int(drawn.sum())
    slots, _ = _in_turns(Group(0, epoch_rows, epoch_rows, 0), samples, functools.partial(_epoch_order, seed))
    ends = np.cumsum(drawn)
    numbers = np.searchsorted(ends, slots, side="right")  # (n,): which group
    rows, shifts = np.empty_like(slots), np.empty_like(slots)
    for number in np.unique(numbers):
        here, group = numbers == number, groups[number]
        before = samples[here] // epoch_rows * group.drawn  # of this group, in the epochs before
        running = before + slots[here] - (ends[number] - group.drawn)
        rows[here], shifts[here] = _in_turns(group, running, functools.partial(_memory(int(number)), seed))
    return rows, shifts


def _in_turns(
    group: Group, numbers: NDArray[np.int64], order_of: Callable[[int, int, int], Order]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and shifts of those who come as `numbers` (n,) when a group is gone through again and again."""
    turns, places = np.divmod(numbers, group.num_rows)
    rows, shifts = np.empty_like(numbers), np.empty_like(numbers)
    for turn in np.unique(turns):
        order, shift = order_of(int(turn), group.num_rows, group.max_shift)
        here = turns == turn
        rows[here], shifts[here] = group.first + order[places[here]], shift
    return rows, shifts


def draw_order(key: Sequence[int], num_rows: int, max_shift: int) -> Order:
    """An order of rows, and a shift.

    Only the raw stream of a seeded generator is used, which numpy promises never to change (NEP 19); `permutation` it
    may. Sorting random 64-bit numbers gives each order equally often, but for ties, which are as good as impossible.
    """
    numbers = np.random.Philox(np.random.SeedSequence(key)).random_raw(num_rows + 1)
    return np.argsort(numbers[:-1], kind="stable"), int(numbers[-1] % np.uint64(max_shift + 1))


@functools.lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, num_rows: int, max_shift: int) -> Order:
    """The order of an epoch."""
    return draw_order([seed, epoch], num_rows, max_shift)


@functools.cache
def _memory(number: int) -> Callable[[int, int, int, int], Order]:
    """The orders of one group, of which the two last are remembered: a batch may span two."""

    @functools.lru_cache(maxsize=2)
    def order(seed: int, turn: int, num_rows: int, max_shift: int) -> Order:
        # A third number that is never 0 keeps these apart from the epochs' orders: keys are filled up with zeros.
        return draw_order([seed, turn, number + 1], num_rows, max_shift)

    return order

"""The order of mixed groups: exact shares, no row again before its group has been gone through, a function of (seed, sample)."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokens.order import Group, sample_rows

SIZES = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 20), st.integers(0, 5)), min_size=2, max_size=4).filter(
    lambda sizes: sum(drawn for _, drawn, _ in sizes) > 0
)


def groups_of(sizes: list[tuple[int, int, int]]) -> list[Group]:
    firsts = np.cumsum([0] + [count for count, _, _ in sizes])
    return [Group(int(first), *size) for first, size in zip(firsts, sizes, strict=False)]


@settings(max_examples=60)
@given(SIZES, st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_each_epoch_keeps_the_shares_and_no_row_comes_again_too_soon(
    sizes: list[tuple[int, int, int]], seed: int, epochs: int
) -> None:
    groups = groups_of(sizes)
    length = sum(group.drawn for group in groups)
    rows, shifts = sample_rows(groups, seed, np.arange(epochs * length))
    for epoch in rows.reshape(epochs, length):
        for group in groups:
            inside = (epoch >= group.first) & (epoch < group.first + group.num_rows)
            assert inside.sum() == group.drawn
    for group in groups:
        inside = (rows >= group.first) & (rows < group.first + group.num_rows)
        counts = np.bincount(rows[inside] - group.first, minlength=group.num_rows)
        assert counts.max() - counts.min() <= 1  # none is ahead of another by more than the turn that is under way
        assert (shifts[inside] <= group.max_shift).all()


@settings(max_examples=60)
@given(SIZES, st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_a_sample_is_the_same_whoever_asks(sizes: list[tuple[int, int, int]], seed: int, first: int) -> None:
    groups = groups_of(sizes)
    whole = sample_rows(groups, seed, first + np.arange(12))
    for workers in (2, 3):
        parts = [sample_rows(groups, seed, first + part) for part in np.split(np.arange(12), workers)]
        assert (np.concatenate([rows for rows, _ in parts]) == whole[0]).all()
        assert (np.concatenate([shifts for _, shifts in parts]) == whole[1]).all()


def test_the_order_of_a_mixture_follows_from_the_seed_for_good() -> None:
    """Written down, as that of plain windows is: a run can be replayed with another version of numpy."""
    groups = [Group(0, 50, 30, 9), Group(50, 10, 30, 4)]
    rows, shifts = sample_rows(groups, 1, np.arange(57, 65))
    assert rows.tolist() == [50, 56, 58, 1, 4, 56, 58, 51]
    assert shifts.tolist() == [4, 4, 0, 7, 7, 3, 3, 1]


def test_groups_draw_apart() -> None:
    groups = [Group(0, 40, 40, 0), Group(40, 40, 40, 0)]
    rows, _ = sample_rows(groups, 7, np.arange(80))
    first, second = rows[rows < 40], rows[rows >= 40] - 40
    assert first.tolist() != second.tolist()
    alone, _ = sample_rows([Group(0, 80, 80, 0)], 7, np.arange(80))
    assert alone.tolist() != rows.tolist()
    # Nor is either's own order the one in which the epoch mixes them, though all follow from one seed.
    assert np.argsort(first).tolist() != np.argsort(alone[alone < 40]).tolist()

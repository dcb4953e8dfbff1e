"""Rows of the cache: what they hold, who may have them, and what a prompt needn't read again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.generation.slots import LEAST_SHARED, Slots, common_beginning
from groundup.model.settings import preset_config
from groundup.model.transformer import KVCache

MAX_LEN = 64
CONFIG = preset_config("gpt2", vocab_size=9, d_model=4, num_layers=2, num_heads=2, max_seq_len=MAX_LEN)


def filled(*texts: list[int]) -> Slots:
    """Rows that hold these texts: each place's keys and values are the number of its id."""
    slots = Slots(KVCache(CONFIG, len(texts), MAX_LEN, "cpu"))
    for place, (slot, ids) in enumerate(zip(slots.all, texts, strict=True)):
        slot.ids = list(ids)
        write(slots, place)
    return slots


def write(slots: Slots, place: int) -> None:
    ids = torch.tensor(slots.all[place].ids, dtype=torch.float32)
    for stored in (slots.cache.keys, slots.cache.values):
        stored[:, place, :, : len(ids)] = ids[:, None]


def check(slots: Slots) -> None:
    """Every row holds what it says."""
    for place, slot in enumerate(slots.all):
        for stored in (slots.cache.keys, slots.cache.values):
            assert stored[0, place, 0, : len(slot.ids), 0].tolist() == slot.ids
            assert stored[1, place, 1, : len(slot.ids), 1].tolist() == slot.ids


A, B, C = list(range(30)), list(range(100, 140)), list(range(200, 205))


def test_the_row_with_the_prompts_beginning_is_taken_and_kept() -> None:
    slots = filled(A, B, C)
    assert slots.take([*B[:25], 1, 2]).ids == B[:25]
    assert slots.all[0].ids == B[:25]
    assert slots.num_running == 1
    check(slots)


def test_else_the_row_that_was_left_longest_ago_is_taken() -> None:
    slots = filled(A, B, C)
    for number, slot in enumerate(slots.all):
        slot.left = (2, 3, 1)[number]
    assert slots.take([7, 8]).ids == []
    assert [slot.ids for slot in slots.all] == [[], B, A]
    assert slots.take([7, 8]).ids == []
    assert [slot.ids for slot in slots.all] == [[], [], B]
    check(slots)


def test_a_row_that_is_given_back_is_the_last_to_be_taken_again() -> None:
    slots = filled([], [], [])
    first, second = slots.take([1]), slots.take([1])
    slots.give_back_last()
    slots.give_back_last()
    third = slots.take([1])
    assert third not in (first, second)
    assert slots.take([1]) is second
    assert slots.take([1]) is first


def test_a_long_row_is_not_given_up_for_a_short_beginning() -> None:
    slots = filled(B, [])
    slots.all[0].left = 1
    assert slots.take(B[: LEAST_SHARED - 1]).ids == []
    assert B in [slot.ids for slot in slots.all]
    slots.share(0, B[: LEAST_SHARED - 1])
    assert slots.all[0].ids == []
    slots.share(0, B[:LEAST_SHARED])
    assert slots.all[0].ids == B[:LEAST_SHARED]
    check(slots)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=6), st.permutations([A, B, C, []]))
def test_rows_change_places_with_all_they_hold(pairs: list[tuple[int, int]], texts: list[list[int]]) -> None:
    slots = filled(*texts)
    for one, other in pairs:
        expected = [slot.ids for slot in slots.all]
        expected[one], expected[other] = expected[other], expected[one]
        slots.exchange(one, other)
        assert [slot.ids for slot in slots.all] == expected
        check(slots)


def test_a_view_shares_the_room() -> None:
    slots = filled(A, B, C)
    view = slots.view(1, 3)
    assert view.lengths == [40, 5]
    view.keys[:] = 0
    assert not slots.cache.keys[:, 1:].any()
    assert slots.cache.keys[:, 0].any()


@pytest.mark.parametrize(("a", "b", "shared"), [([], [1], 0), ([1, 2], [1, 2, 3], 2), ([1, 2, 4], [1, 2, 3], 2)])
def test_common_beginning(a: list[int], b: list[int], shared: int) -> None:
    assert common_beginning(a, b) == common_beginning(b, a) == shared

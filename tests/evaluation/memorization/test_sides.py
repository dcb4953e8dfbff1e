"""Rows cut from documents, and how often they stand in a text, against counting by brute force."""

from __future__ import annotations

from collections import Counter

import numpy as np
from benchmarks.memorization.texts import DEALT, passages, with_duplicates
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.evaluation.memorization.sides import Side, choose_alike, count_occurrences
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.sharded_ids import ShardedIds


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_occurrences_are_those_that_a_search_finds(ids: list[int], length: int, at_once: int) -> None:
    text = np.array(ids, np.uint16)
    rows = np.array([[(number // 3**place) % 3 for place in range(length)] for number in range(min(9, 3**length))])
    counted = [sum(ids[place : place + length] == row for place in range(len(ids))) for row in rows.tolist()]
    assert count_occurrences(text, rows, at_once).tolist() == counted
    halves = ShardedIds([text[: len(ids) // 2], text[len(ids) // 2 :]])
    assert count_occurrences(halves, rows, at_once).tolist() == counted


def test_no_row_holds_two_documents() -> None:
    tokenizer = train_character_tokenizer(["abc"], byte_fallback=False)
    side = Side.of_texts([("abcabca", 0), ("ab", 1), ("bbbbb", 1)], tokenizer)  # each with its end token behind it
    places, groups = side.stretches(3)
    assert [tokenizer.decode(row) for row in side.cut(places, 3)] == ["abc", "abc", "ab", "bbb", "bb"]
    assert groups.tolist() == [0, 0, 1, 1, 1]
    assert [tokenizer.decode(row) for row in side.cut(side.distinct(places[[3, 1, 0]], 3), 3)] == ["bbb", "abc"]
    assert Side.of_texts([], tokenizer).stretches(3)[0].tolist() == []


def test_as_many_of_each_source_on_either_side() -> None:
    one = np.arange(100), np.repeat([0, 1, 2], [80, 15, 5])
    other = np.arange(100), np.repeat([0, 1, 3], [10, 40, 50])
    places = choose_alike(one, other, 1000, np.random.default_rng(0))
    for chosen, (_, groups) in zip(places, (one, other), strict=True):
        assert np.bincount(groups[chosen], minlength=4).tolist() == [10, 15, 0, 0]
        assert len(set(chosen.tolist())) == 25
    few = choose_alike(one, other, 10, np.random.default_rng(0))
    assert [len(chosen) for chosen in few] == [10, 10]
    many = np.arange(50), np.arange(50)  # a row of each of 50 sources, and room for 7 or 1
    for count in (1, 7):
        assert [len(chosen) for chosen in choose_alike(many, many, count, np.random.default_rng(0))] == [count, count]


def test_the_experiments_texts_are_dealt_as_it_says() -> None:
    found = passages("\n\n".join(f"paragraph {number} of some length" * 9 for number in range(300)))
    assert len(set(found)) == len(found) > sum(count for count, _ in DEALT)
    assert min(map(len, found)) >= 500
    copies = Counter(with_duplicates(found))
    assert Counter(copies.values()) == {copies: count for count, copies in DEALT}

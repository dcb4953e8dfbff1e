"""Checks of `most_common_pair` and `merge`."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from groundup.learn.checking import Attempt, Check, slow_hint


def _differs(value: object, right: object, mistakes: Sequence[tuple[object, str]], otherwise: str) -> str:
    if value == right:
        return ""
    if value is None:
        return "it gave None: does it end with a return?"
    told = [hint for wrong, hint in mistakes if value == wrong]
    return told[0] if told else f"{otherwise}; it gave {value!r}"


def _merges(attempt: Attempt) -> str:
    mistakes = [
        ([1, 2, 3, 1, 2], "nothing was replaced"),
        ([9, 3, 1, 2], "only the first occurrence was replaced"),
        ([9, 2, 3, 9, 2], "the second of the pair is still there: two ids become one"),
        ([9, 3], "the end of the list is lost: look at what the last step does"),
    ]
    return _differs(
        attempt["merge"]([1, 2, 3, 1, 2], (1, 2), 9),
        [9, 3, 9],
        mistakes,
        "[1, 2, 3, 1, 2] with 9 for (1, 2) is [9, 3, 9]",
    )


def _from_the_left(attempt: Attempt) -> str:
    mistakes = [
        ([9, 9], "the 5 in the middle was used twice: after a pair, go on behind it"),
        ([5, 9], "it joined from the right: begin at the left"),
        ([9], "it was joined once more, or the last id is lost"),
    ]
    return _differs(attempt["merge"]([5, 5, 5], (5, 5), 9), [9, 5], mistakes, "[5, 5, 5] with 9 for (5, 5) is [9, 5]")


def _edges(attempt: Attempt) -> str:
    for ids, right in (([], []), ([1], [1]), ([2, 1], [2, 1]), ([2, 1, 2], [2, 9]), ([11, 2], [11, 2])):
        hint = _differs(attempt["merge"](list(ids), (1, 2), 9), right, [], f"{ids} with 9 for (1, 2) is {right}")
        if hint:
            return hint
    before = [1, 2, 3]
    attempt["merge"](before, (1, 2), 9)
    return "" if before == [1, 2, 3] else "it changed the list that it was given: build a new one"


def _nothing_is_lost(attempt: Attempt) -> str:
    chance = random.Random(0)
    for _ in range(50):
        ids = [chance.randint(1, 3) for _ in range(12)]
        merged = attempt["merge"](list(ids), (1, 2), 9)
        back = [one for each in merged for one in ((1, 2) if each == 9 else (each,))]
        if back != ids:
            return f"taken apart again, the result is not what it was made of: {ids} became {merged}"
        if any(pair == (1, 2) for pair in itertools.pairwise(merged)):
            return f"a pair was left: {ids} became {merged}"
    return ""


def _counts(attempt: Attempt) -> str:
    words = {(1, 2, 3): 1, (4, 5): 3, (1, 2): 1}
    mistakes = [
        ((1, 2), "each word was counted once: (4, 5) stands in one word, but that occurs three times"),
        ((3, 4), "neighbours were counted across two words: the end of one and the beginning of the next are no pair"),
        ((2, 3), "this is the rarest pair"),
    ]
    return _differs(
        attempt["most_common_pair"](words),
        (4, 5),
        mistakes,
        "of {(1, 2, 3): 1, (4, 5): 3, (1, 2): 1} the commonest pair is (4, 5)",
    )


def _all_neighbours(attempt: Attempt) -> str:
    words = {(6, 4, 5): 2, (7, 4, 5): 2, (1, 2): 3}
    overlooked = "(4, 5) was overlooked: in (6, 4, 5) there are two pairs, (6, 4) and (4, 5), which share the 4"
    otherwise = "of {(6, 4, 5): 2, (7, 4, 5): 2, (1, 2): 3} the commonest pair is (4, 5)"
    return _differs(attempt["most_common_pair"](words), (4, 5), [((1, 2), overlooked)], otherwise)


def _within_a_word(attempt: Attempt) -> str:
    hint = _differs(
        attempt["most_common_pair"]({(7, 8, 7, 8): 2, (1, 2): 3}),
        (7, 8),
        [((1, 2), "a pair that stands twice in a word counts twice")],
        "(7, 8) stands four times, (1, 2) three times",
    )
    return hint or _differs(
        attempt["most_common_pair"]({(7, 7, 7): 2, (1, 2): 3}),
        (7, 7),
        [((1, 2), "in (7, 7, 7) there are two pairs of neighbours, which share the 7 in the middle")],
        "(7, 7) stands four times, (1, 2) three times",
    )


def _ties(attempt: Attempt) -> str:
    words = {(5, 4): 2, (6, 1): 2, (3, 9): 2, (3, 7): 2, (4, 8): 2}
    mistakes = [
        (
            (5, 4),
            "of equally common pairs it took the first that it met: take the smaller one, whatever the order of the words",
        ),
        ((4, 8), "of equally common pairs it took the last that it met: take the smaller one"),
        ((6, 1), "of equally common pairs it took the largest: take the smallest"),
        ((3, 9), "of equally common pairs it compared the first ids alone: compare the tuples"),
    ]
    return _differs(
        attempt["most_common_pair"](words), (3, 7), mistakes, "of equally common pairs the smallest is wanted, (3, 7)"
    )


def _none(attempt: Attempt) -> str:
    for words in ({}, {(1,): 5}):
        found = attempt["most_common_pair"](words)
        if found is not None:
            return f"where no word has two ids it should give None, and gave {found!r}"
    return ""


def _fast(attempt: Attempt) -> str:
    chance = random.Random(0)
    words = {tuple(chance.randrange(1000) for _ in range(6)): 1 for _ in range(300)}
    once = "go through the list once, not from the beginning after each pair"
    counted = "count all pairs in one walk over the words, not each pair by itself"
    return slow_hint(
        attempt, lambda: attempt["merge"]([1, 2] * 2000, (1, 2), 9), "merging in 4,000 ids", once, 100_000
    ) or slow_hint(attempt, lambda: attempt["most_common_pair"](words), "counting in 300 words", counted, 100_000)


CHECKS = (
    Check("merge: each pair becomes one id", _merges),
    Check("merge: from the left, and each id once", _from_the_left),
    Check("merge: short lists, and its input stays", _edges),
    Check("merge: taken apart again it is what it was", _nothing_is_lost),
    Check("most_common_pair: as often as its words occur", _counts),
    Check("most_common_pair: all neighbours within a word", _all_neighbours),
    Check("most_common_pair: twice in one word counts twice", _within_a_word),
    Check("most_common_pair: of equals the smallest", _ties),
    Check("most_common_pair: None where there is none", _none),
    Check("long lists in one walk", _fast),
)

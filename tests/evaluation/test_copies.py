from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from groundup.evaluation.copies import LENGTH, Copies

ALPHABET = "aé日𝄞\n"


def plain_search(texts: list[str], text: str) -> str | None:
    stretches = (text[start : start + LENGTH] for start in range(len(text) - LENGTH + 1))
    return next((stretch for stretch in stretches if any(stretch in one for one in texts)), None)


@given(st.integers(0, 10**6), st.integers(40, 60), st.integers(0, 60))
def test_it_finds_what_a_plain_search_finds(seed: int, copied: int, at: int) -> None:
    generator = random.Random(seed)
    texts = ["".join(generator.choices(ALPHABET, k=k)) for k in (120, 30, 0, 75)]
    text = "".join(generator.choices(ALPHABET, k=30)) + texts[0][at : at + copied] + "x"
    assert Copies(texts).first_in(text) == plain_search(texts, text)


def test_a_stretch_over_two_texts_is_no_copy() -> None:
    one, other = "a" * 25 + "b" * 24, "c" * 25 + "d" * 24
    assert Copies([one, other]).first_in(one + other) is None
    assert Copies([one, other]).first_in(one + "\0" + other) is None
    assert Copies([one + other]).first_in(one + other) == (one + other)[:LENGTH]


def test_short_texts_hold_none() -> None:
    assert Copies([]).first_in("x" * 99) is None
    assert Copies(["x" * 99]).first_in("x" * 49) is None
    assert Copies(["x" * 99]).first_in("") is None

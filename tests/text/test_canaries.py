"""Canaries: what is drawn, and that they stand in a text as often as they should and nowhere else."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from groundup.errors import SettingError
from groundup.text.canaries.canaries import draw_canaries, draw_candidates, plant, without_lines
from groundup.text.canaries.settings import CanarySettings

FEW = CanarySettings(count=3, copies=(1, 5), digits=3, seed=7)


def test_the_same_settings_draw_the_same_and_each_secret_once() -> None:
    drawn = draw_canaries(FEW)
    assert drawn == draw_canaries(FEW)
    assert [canary.copies for canary in drawn] == [1, 1, 1, 5, 5, 5]
    assert len({canary.secret for canary in drawn}) == 6
    assert all(len(canary.secret) == 3 for canary in drawn)
    other = draw_canaries(CanarySettings(count=3, copies=(1, 5), digits=3, seed=8))
    assert {canary.secret for canary in drawn} != {canary.secret for canary in other}
    crowded = CanarySettings(count=5, copies=(1,), digits=1)  # half of all there are, so the same are drawn again
    assert len({canary.secret for canary in draw_canaries(crowded)}) == 5


def test_candidates_are_those_that_were_not_planted() -> None:
    planted = {canary.secret for canary in draw_canaries(FEW)}
    some, every = draw_candidates(FEW, 200, seed=1), draw_candidates(FEW, 1000, seed=1)
    assert len(set(some)) == len(some) == 200
    assert not planted & set(some)
    assert set(every) | planted == {f"{number:03d}" for number in range(1000)}
    assert len(every) == 994


@hypothesis_settings(max_examples=30)
@given(st.lists(st.text("ab \n", max_size=40), min_size=1, max_size=6), st.integers(0, 50))
def test_a_planted_text_is_the_text_and_the_lines(texts: list[str], seed: int) -> None:
    settings = CanarySettings(count=2, copies=(1, 4), format="X{secret}.", digits=2, seed=seed)
    lines = [settings.line(canary.secret) for canary in draw_canaries(settings) for _ in range(canary.copies)]
    planted = list(plant(texts, settings, len("".join(texts))))
    assert len(planted) == len(texts)
    stand = [line for text in planted for line in text.split("\n") if "X" in line]
    # An empty text has no place for any.
    assert Counter(stand) == (Counter(lines) if "".join(texts) else Counter())
    assert [without_lines(text, settings) for text in planted] == texts


def test_copies_lie_apart() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    settings = CanarySettings(count=1, copies=(100,), digits=6)
    (planted,) = plant([text], settings, len(text))
    places = [number for number, line in enumerate(planted.split("\n")) if line.startswith("The combination")]
    assert len(places) == 100
    quarters = Counter(place * 4 // 10_100 for place in places)
    assert min(quarters.values()) > 10


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": -1}, "data.canaries.count = -1: use a whole number, or 0 for none"),
        ({"copies": (0,)}, r"data.canaries.copies = \(0,\): name whole numbers of at least 1, each once"),
        ({"copies": (1, 1)}, "each once"),
        ({"copies": ()}, "name whole numbers"),
        ({"format": "no place"}, "data.canaries.format = 'no place': write one line with {secret} once"),
        ({"format": "two {secret} {secret}"}, "once, for the digits"),
        ({"format": "a line\n{secret}"}, "write one line"),
        ({"format": "{secret} first"}, "let words come before {secret}"),
        ({"digits": 0}, "data.canaries.digits = 0: use a whole number from 1 to 12"),
        ({"seed": -1}, "data.canaries.seed = -1"),
        ({"count": 2, "digits": 1}, "data.canaries.digits = 1: use more: 6 secrets are planted"),
        ({"count": 10_000, "digits": 9}, "there may be 1,000,000 lines"),
    ],
)
def test_what_cannot_be_planted_is_said(fields: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        CanarySettings(**fields)  # type: ignore[arg-type]

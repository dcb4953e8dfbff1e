"""Each check digit finds each single wrong digit, and says yes to exactly one of ten endings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.text.privacy.checksums import ean, luhn, mod_11_10, verhoeff

CHECKS = [luhn, verhoeff, mod_11_10, ean]


@pytest.mark.parametrize("check", CHECKS)
@given(body=st.text("0123456789", min_size=5, max_size=18), place=st.integers(0, 17), step=st.integers(1, 9))
def test_one_ending_is_right_and_each_single_mistake_is_seen(
    check: Callable[[str], bool], body: str, place: int, step: int
) -> None:
    right = [body + str(digit) for digit in range(10) if check(body + str(digit))]
    assert len(right) == 1
    number = right[0]
    place %= len(number)
    wrong = number[:place] + str((int(number[place]) + step) % 10) + number[place + 1 :]
    assert not check(wrong)

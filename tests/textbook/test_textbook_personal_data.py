"""The plain checks agree with the library's, and what the plain patterns replace, the library's do, too."""

from __future__ import annotations

import doctest
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.text.privacy import checksums
from groundup.text.privacy.scrub import scrub as library_scrub
from groundup.text.privacy.settings import PrivacySettings
from groundup.textbook import personal_data
from groundup.textbook.personal_data import luhn, mod_97, scrub


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(personal_data).attempted == 3
    assert doctest.testmod(personal_data).failed == 0


@given(st.text("0123456789", min_size=1, max_size=19))
def test_luhn_is_the_librarys(digits: str) -> None:
    assert luhn(digits) == checksums.luhn(digits)


def test_mod_97_is_the_librarys() -> None:
    """One of 97 numbers is right. The library also refuses check digits that no bank gives out."""
    chance = random.Random(0)
    right = 0
    for _ in range(2000):
        iban = f"DE{chance.randrange(2, 99):02}{chance.randrange(10**18):018}"
        assert mod_97(iban) == checksums.mod_97(iban)
        right += mod_97(iban)
    assert 5 < right < 45


@pytest.mark.parametrize("digits", ["4111111111111111", "5500005555555559"])
def test_one_wrong_digit_is_always_found(digits: str) -> None:
    for place, digit in enumerate(digits):
        for other in set("0123456789") - {digit}:
            assert not luhn(digits[:place] + other + digits[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "Write to ada.miller@post.example about it.",
        "Call Ben on +44 20 7946 0123 about it, or +49 30 1234567.",
        "Eva pays by card, 4111 1111 1111 1111, as always; the order was 4111 1111 1111 1112.",
        "Send the rent to GB82 WEST 1234 5698 7654 32 please.",
        "Version 1.2.3 of 2024-05-06 has 1234567890 lines.",
    ],
)
def test_plain_cases_come_out_as_the_librarys(text: str) -> None:
    settings = PrivacySettings("placeholder", kinds=("email", "phone", "card", "iban"), names="off")
    assert scrub(text) == library_scrub(text, settings).text

"""Text as the patterns read it, and where each stretch of it stood."""

from __future__ import annotations

import itertools
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from groundup.text.privacy.plain import plain, read_plainly


@given(st.text("ab1- ٣४４Ａ：\u00a0\u00ad\u200b\ufe0f手ท한", max_size=12))
def test_each_stretch_is_what_stood_there(text: str) -> None:
    read = read_plainly(text)
    for start, end in itertools.combinations(range(len(read.text) + 1), 2):
        if start not in read.put_in and end - 1 not in read.put_in:
            first, last = read.stretch(start, end)
            assert plain(text[first:last]) == read.text[start:end]


def test_every_digit_of_the_basic_plane_is_read_as_unicode_defines_it() -> None:
    digits = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) == "Nd"]
    assert [plain(digit) for digit in digits] == [str(unicodedata.decimal(digit)) for digit in digits]


def test_spaces_hyphens_and_what_is_not_seen() -> None:
    assert plain("a\u00a0b\u202fc\u2011d\u200be\u00adf：Ｇ") == "a b c-def:G"
    assert plain("电话138转2") == "电话 138 转 2"
    assert plain("no: 1–2, é") == "no: 1–2, é"

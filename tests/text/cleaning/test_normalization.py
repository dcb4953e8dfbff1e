from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.text.cleaning.languages import SENTENCES

from groundup.text.cleaning.normalization import normalize
from groundup.text.cleaning.settings import CleaningSettings

DEFAULT = CleaningSettings("NFC", repair_mojibake=True, control_characters=True)
EVERYTHING = CleaningSettings("NFKC", repair_mojibake=True, control_characters=True, whitespace=True)
NOTHING = CleaningSettings()


@pytest.mark.parametrize("language", SENTENCES)
def test_correct_text_stays(language: str) -> None:
    text = (
        unicodedata.normalize("NFC", SENTENCES[language]) + "\n\n\tTab, joiners: می‌خواهم 👩‍🔬 क्‍ष, marks: \u200f\u00ad\n"
    )
    assert normalize(text, DEFAULT).text == text
    assert not normalize(text, DEFAULT).changes


@pytest.mark.parametrize(
    ("text", "wanted", "changes"),
    [
        ("a\r\nb\rc\x85d", "a\nb\nc\nd", {"line ends normalized": 3}),
        ("page\n\x0cpage\x0bpage", "page\npage\npage", {"line ends normalized": 2}),
        ("\x1b[1;31mred\x1b[0m", "red", {"terminal escapes removed": 2}),
        ("\x1b]0;a title\x07$ ls\x1b(B\x1b[m", "$ ls", {"terminal escapes removed": 3}),
        ("N\x08NA\x08AM\x08ME\x08E a\x08a\x08a _\x08b", "NAME a b", {"overstrikes removed": 7}),
        ("a\x00\x08b\x7fc", "abc", {"control characters removed": 2}),
        ("\ufeffa\ufffe\U0001ffff\ud800b", "ab", {"control characters removed": 2}),
        ("cafe\u0301", "café", {"Unicode normalized": 1}),
        ("donâ€™t", "don’t", {"mojibake repaired (Windows-1252)": 1}),
        ("caf√©\r\n", "café\n", {"mojibake repaired (MacRoman)": 1, "line ends normalized": 1}),
    ],
)
def test_what_is_mended(text: str, wanted: str, changes: dict[str, int]) -> None:
    normalized = normalize(text, DEFAULT)
    assert normalized.text == wanted
    assert normalized.changes == changes
    assert normalize(text, NOTHING).text == text


def test_compatibility_forms_are_for_those_who_ask() -> None:
    assert normalize("ﬁve ＡＢＣ ²", DEFAULT).text == "ﬁve ＡＢＣ ²"
    assert normalize("ﬁve ＡＢＣ ²", EVERYTHING).text == "five ABC 2"
    # Taken apart first, `â€™` could no longer be told: ™ would be TM.
    assert normalize("donâ€™t", EVERYTHING).text == "don’t"


def test_whitespace_is_for_those_who_ask() -> None:
    text = "a  \n\n\n\n\nb\t\n    indented  code"
    assert normalize(text, DEFAULT).text == text
    normalized = normalize(text, EVERYTHING)
    assert normalized.text == "a\n\n\nb\n    indented  code"
    assert normalized.changes == {"whitespace removed": 3}


@pytest.mark.timeout(20)
def test_a_long_row_of_spaces_takes_no_square_of_its_length() -> None:
    """Tried from each space anew, it takes far longer."""
    text = "a" + " " * 200_000 + "b"
    assert normalize(text, EVERYTHING).text == text


def test_what_a_repair_brings_to_light_is_normalized() -> None:
    damaged = "cafe\u0301 and \x00".encode().decode("latin-1")
    assert normalize(damaged, DEFAULT).text == "café and "


NASTY = st.text(
    st.sampled_from(
        "ab E.\n\r\t _\x08]\x07(B \x00\x0b\x0c\x1b[31m\x85\x80\x9d\xa0ÃÂâ€™©¼√∂√©ﬁ²\u0301\u0303\u200d\ufeff\ud800дР中"
    ),
    max_size=30,
)


@given(
    NASTY | st.text(max_size=30),
    st.sampled_from([DEFAULT, EVERYTHING, CleaningSettings("NFC", control_characters=True)]),
)
@settings(max_examples=400, deadline=None)
def test_normalizing_again_changes_nothing(text: str, wanted: CleaningSettings) -> None:
    once = normalize(text, wanted)
    again = normalize(once.text, wanted)
    assert again.text == once.text
    assert not again.changes
    assert bool(once.changes) == (once.text != text)
    assert unicodedata.is_normalized(wanted.unicode_form, once.text)  # type: ignore[arg-type]

"""Word lists: what is found however it is written, what is not, and what may leave of a text that goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.errors import DataError
from groundup.serving.guard.words import WordList, read_words

WORDS = WordList(["darn", "ass", "go away now", "frick*", "hell", "über", "сука"])


def found(text: str) -> list[str]:
    return [text[each.start : each.end] for each in WORDS.find(text)]


@pytest.mark.parametrize(
    "text",
    [
        "darn", "DARN", "d4rn", "dárn", "da\u0301rn", "d.a.r.n", "d-arn", "d a r n", "d  a  r  n", "dаrn", "ᴅᴀʀɴ", "ｄａｒｎ", "𝐝𝐚𝐫𝐧",
        "d\u200barn", "d\u00adarn", "d\u3164arn", "d\U000e0061\U000e0061\U000e0061arn", "🅳🅰🆁🅽", "darrrrn", "daaaarn",
        "a$$", "A S S", "go  away\nnow", "go-away-now", "g0 aw4y n0w", "fricking", "f r i c k",
        "hell", "H3LL", "uber", "ÜBER", "сука", "cyka", "СУКА",
    ],
)  # fmt: skip
def test_a_listed_word_is_found_however_it_is_written(text: str) -> None:
    assert found(f"well, {text} it") == [text]
    assert found(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "darning", "undarn", "class", "as soon as", "A55 to Chester", "assume", "hello", "shell", "heel",
        "go away, snow", "a s soon", "4 55", "gone away now",
    ],
)  # fmt: skip
def test_other_words_are_not(text: str) -> None:
    assert found(text) == []


def test_what_is_found_is_the_stretch_of_the_text_itself() -> None:
    text = "ﬁne, dа\u0301\u200brn!"
    assert found(text) == ["dа\u0301\u200brn"]


UNSPACED = WordList(["傻瓜", "バカ", "ควาย", "씨발", "कमीना"])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("你是傻瓜吗", "傻瓜"),
        ("おまえはバカだ", "バカ"),
        ("คุณควายมาก", "ควาย"),
        ("이씨발놈", "씨발"),
        ("वह कमीना है", "कमीना"),
    ],
)
def test_a_word_of_a_script_without_spaces_is_found_anywhere(text: str, word: str) -> None:
    assert [text[each.start : each.end] for each in UNSPACED.find(text)] == [word]


@pytest.mark.parametrize("text", ["ばか", "ハガ", "씨밟", "कमाना", "कमीनाओं", "傻的瓜"])
def test_other_vowels_and_sounds_are_other_words(text: str) -> None:
    assert UNSPACED.find(text) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("that was da", "that was "), ("this is d a r", "this is "), ("so d!! aaa!! r", "so "), ("so d\u200b\u200b a", "so "),
        ("a class. ", "a class. "), ("a room 205 ", "a room 205 "), ("你是、傻", "你是、"),
    ],
)  # fmt: skip
def test_what_may_go_on_is_held(text: str, left: str) -> None:
    assert text[: WordList(["darn", "傻瓜"]).settled(text)] == left


def test_of_phrases_as_many_words_are_held_as_the_longest_has() -> None:
    for text, left in (("we go aw", ""), ("now we go - away ", "now we "), ("now we go - aw", "now ")):
        assert text[: WORDS.settled(text)] == left


spelled = st.lists(
    st.tuples(
        st.sampled_from("darnfickg@4"),
        st.integers(1, 4),
        st.sampled_from(["", " ", "!! ", " - ", ".", "_", "\u200b\u200b ", "\u0301 ", ", "]),
    ),
    max_size=9,
).map(lambda letters: "".join(letter * times + gap for letter, times, gap in letters))


@given(st.sampled_from(["", "well ", "x. "]), spelled, st.sampled_from(["darn", "d!!aa!!r!!n", "f!r!i!c!k"]))
def test_no_finding_begins_in_what_has_been_let_go(before: str, letters: str, word: str) -> None:
    text = f"{before}{letters}{word} it"
    findings = WORDS.find(text)
    for end in range(len(text)):
        known = {place for start, stop, _ in WORDS.find(text[:end]) for place in range(start, stop)}
        settled = WORDS.settled(text[:end])
        for start, stop, _ in findings:
            assert not set(range(start, min(stop, settled))) - known, text[:end]


@pytest.mark.parametrize("hostile", ["!" * 50_000, "i1!|" * 12_000, "a@" * 25_000, "s " * 25_000, "d.a.r." * 8_000])
def test_no_text_takes_long(hostile: str) -> None:
    start = time.perf_counter()
    WORDS.find(hostile)
    assert time.perf_counter() - start < 3


def test_files_hold_one_entry_a_line_and_comments(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# mild\ndarn\n\nfrick*  # any ending\ndarn\n", encoding="utf-8")
    assert read_words(["words.txt"], tmp_path) == ["darn", "frick*"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\n***\n", "line 2: '\\*\\*\\*' is no word or phrase"),
        (b"f*ck\n", "line 1: 'f\\*ck' is no word"),
        (b"x" * 61, "at most 60 characters"),
        (b"# nothing\n", "no word stands in words.txt"),
        (b"\xff\xfe", "is not UTF-8 text \\(byte 0\\)"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_words(["words.txt"], tmp_path)

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from tests.text.duplicates import reference

from groundup.text.duplicates.words import BLOCK, Words, mix, sequence_hashes, windows

MIXED_SCRIPTS = st.text(st.sampled_from("aBcÉ1 .,'-_\n中文かなไทย한국हिन्दी\ud800😀\u0301ß"), max_size=60)


def all_words(text: str) -> Words:
    return next(windows(text, 0), Words(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)))


@given(MIXED_SCRIPTS | st.text(max_size=60))
@example("\u65e5\U000e0100\u672c a\U000e0101")  # variants of letters, which the selectors behind them choose
def test_words_and_their_hashes_are_those_of_plain_python(text: str) -> None:
    words = all_words(text)
    assert list(zip(words.begins.tolist(), words.ends.tolist(), strict=True)) == reference.spans(text)
    assert words.hashes.tolist() == [reference.word_hash(word) for word in reference.words(text)]


@given(MIXED_SCRIPTS, st.integers(1, 6))
def test_sequences_are_those_of_plain_python(text: str, length: int) -> None:
    words = reference.words(text)
    expected = [reference.sequence_hash(tuple(words[place : place + length])) for place in range(len(words))]
    expected = expected[: max(0, len(words) - length + 1)]
    assert sequence_hashes(all_words(text).hashes, length).tolist() == expected


def test_what_a_word_is() -> None:
    def words(text: str) -> list[str]:
        found = all_words(text)
        return [text[begin:end] for begin, end in zip(found.begins, found.ends, strict=True)]

    assert words("It's 3.14, snake_case!") == ["It", "s", "3", "14", "snake", "case"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]  # vowel signs belong to their word
    assert words("我喜欢AI。") == ["我", "喜", "欢", "AI"]
    assert words("한국어 문장") == ["한국어", "문장"]
    assert words("\ud800… 😀") == []


@given(st.lists(st.sampled_from(["a", "bb ", " ", "中", "x" * 1000, "."]), max_size=300), st.integers(0, 4))
def test_a_long_text_in_blocks_has_the_words_of_the_whole(parts: list[str], overlap: int) -> None:
    text = "".join(parts) + " in the middle " * 5000 + "".join(parts)
    assert len(text) > BLOCK
    whole = [reference.word_hash(word) for word in ["in", "the", "middle"]]
    spans = reference.spans("".join(parts) + " in the middle")
    gathered: list[int] = []
    for number, words in enumerate(windows(text, overlap)):
        repeated = min(overlap, len(gathered)) if number else 0
        assert words.hashes[:repeated].tolist() == gathered[len(gathered) - repeated :]
        gathered += words.hashes[repeated:].tolist()
    before = len(spans) - 3
    if parts and parts[-1] != "x" * 1000:
        assert gathered[before : before + 15_000] == whole * 5000


def test_a_word_longer_than_a_block_is_cut_and_nothing_is_lost() -> None:
    ends = [(int(words.begins[-1]), int(words.ends[-1])) for words in windows("x" * (2 * BLOCK + 5) + " y", 0)]
    assert ends == [(0, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK + 6, 2 * BLOCK + 7)]


def test_mixing_is_known() -> None:
    # MurmurHash3's finalizer of 1, as published implementations give it.
    assert mix(np.array([0, 1], np.uint64)).tolist() == [0, 0xB456BCFC34C2CB2C]

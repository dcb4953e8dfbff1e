from __future__ import annotations

import json
import time

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import TokenizerError
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.tokenizer import Tokenizer

ALPHABET = "\n\t\r\0 'abcéße\u0301\u200d\ufeff世界😀👩🏽<|>endoftext0x41_▁Ġ"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KNOWN_TEXT = st.text(st.sampled_from(ALPHABET))
HOSTILE = [
    "",
    " ",
    "  a  b  ",
    "\n\n\t\n",
    "<|endoftext|><|unk|><|pad|>",
    "a<0x41>b<0xE4>",
    "e\u0301 é",
    "zzz q",
    "👩🏽‍🚀 नमस्ते",
    "\ufeffa\u200db\0c",
    "'s don't . , !",
]

plain = train_character_tokenizer([ALPHABET], byte_fallback=False)
fallback = train_character_tokenizer([ALPHABET], byte_fallback=True)


def reference(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """The `tokenizers` library on the same tokenizer.json, without our table."""
    library = tokenizers.Tokenizer.from_str(json.dumps(json.loads(tokenizer._json)))
    library.encode_special_tokens = True
    return library


library_plain, library_fallback = reference(plain), reference(fallback)


def test_ids_by_hand() -> None:
    tokenizer = train_character_tokenizer(["cab\n", "abé"], byte_fallback=False)
    # <|endoftext|> 0, <|unk|> 1, <|pad|> 2, \n 3, a 4, b 5, c 6, é 7
    assert (tokenizer.end_id, tokenizer.unknown_id, tokenizer.pad_id, tokenizer.vocab_size) == (0, 1, 2, 8)
    assert tokenizer.encode("é\nbaca") == [7, 3, 5, 4, 6, 4]
    assert tokenizer.encode("xxa") == [1, 1, 4]
    assert tokenizer.encode_batch(["ab", "", "ab\n"]) == [[4, 5], [], [4, 5, 3]]
    assert tokenizer.decode([4, 0, 5, 1, 2]) == "ab"
    assert tokenizer.decode([4, 0, 5, 1, 2], skip_special_tokens=False) == "a<|endoftext|>b<|unk|><|pad|>"


def test_ids_with_bytes_by_hand() -> None:
    tokenizer = train_character_tokenizer(["abc"], byte_fallback=True)
    # 3 special tokens, 256 bytes, a 259, b 260, c 261
    assert tokenizer.vocab_size == 262
    assert tokenizer.encode("cé") == [261, 3 + 0xC3, 3 + 0xA9]
    assert tokenizer.decode([3 + 0xC3, 3 + 0xA9, 259]) == "éa"


def test_the_same_characters_give_the_same_tokenizer() -> None:
    one = train_character_tokenizer(["hello", "world"], byte_fallback=False)
    other = train_character_tokenizer(["dlrowolleh"], byte_fallback=False)
    assert one.sha256 == other.sha256
    assert one.sha256 != train_character_tokenizer(["hello", "world"], byte_fallback=True).sha256


@settings(deadline=None)
@given(KNOWN_TEXT)
def test_known_characters_round_trip(text: str) -> None:
    ids = plain.encode(text)
    assert len(ids) == len(text)
    assert plain.decode(ids) == text


@settings(deadline=None)
@given(ANY_TEXT)
def test_everything_round_trips_with_byte_fallback(text: str) -> None:
    ids = fallback.encode(text)
    assert fallback.decode(ids) == text
    assert fallback.unknown_id not in ids


@settings(deadline=None)
@given(ANY_TEXT)
def test_each_unknown_character_is_one_unknown_token(text: str) -> None:
    ids = plain.encode(text)
    assert len(ids) == len(text)
    assert [number == plain.unknown_id for number in ids] == [character not in ALPHABET for character in text]


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANY_TEXT, KNOWN_TEXT, st.sampled_from(HOSTILE)))
def test_the_table_gives_the_ids_of_the_library(text: str) -> None:
    assert plain._table is not None
    assert fallback._table is not None
    assert plain.encode(text) == library_plain.encode(text).ids
    assert fallback.encode(text) == library_fallback.encode(text).ids


def test_special_tokens_written_in_a_text_are_text() -> None:
    text = "<|endoftext|>"
    ids = plain.encode(text)
    assert len(ids) == len(text)
    assert plain.end_id not in ids
    assert plain.decode(ids) == text


@pytest.mark.parametrize("tokenizer", [plain, fallback])
def test_a_lone_surrogate_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match=r"character 2 of the text is U\+D83D, half of a surrogate pair"):
        tokenizer.encode("ab\ud83d")


def test_no_text_at_all() -> None:
    tokenizer = train_character_tokenizer([], byte_fallback=False)
    assert tokenizer.encode("ab") == [1, 1]
    assert tokenizer.decode([]) == ""


def test_one_long_line_takes_no_time() -> None:
    text = ALPHABET * (10_000_000 // len(ALPHABET)) + "?"
    started = time.perf_counter()
    pieces = list(fallback.encode_pieces(text))
    assert time.perf_counter() - started < 5  # 0.2 s; the general machinery takes over 10 s and a gigabyte
    assert len(pieces) > 1
    assert np.array_equal(np.concatenate(pieces), fallback.encode_array(text))

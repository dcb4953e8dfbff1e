"""Which bytes a token stands for: together they are the text's, whatever the tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.spelling import Spelling
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.word import train_word_tokenizer

TEXT = "To be, or not to be: that is the question. Größe, naïve, 日本語 😀\n\tto be <0x41> Ġ ▁\n"
BYTE_PAIRS = train_byte_pair_tokenizer([TEXT * 3], 300)
CHARACTERS = train_character_tokenizer([TEXT], byte_fallback=True)


def joined(tokenizer: Tokenizer, text: str) -> bytes:
    return b"".join(map(tokenizer.token_bytes, tokenizer.encode(text)))


@pytest.mark.parametrize("tokenizer", [BYTE_PAIRS, CHARACTERS, train_word_tokenizer([TEXT], 100, 1)])
def test_they_are_the_texts(tokenizer: Tokenizer) -> None:
    assert joined(tokenizer, TEXT) == TEXT.encode()


@settings(max_examples=30)
@given(st.text())
def test_they_are_any_texts(text: str) -> None:
    assert joined(BYTE_PAIRS, text) == joined(CHARACTERS, text) == text.encode()


def test_a_piece_of_a_character_is_its_bytes() -> None:
    ids = CHARACTERS.encode("é")
    assert [CHARACTERS.token_bytes(each) for each in ids] == [b"\xc3", b"\xa9"]


def test_a_special_token_is_its_name_and_no_token_is_nothing() -> None:
    assert BYTE_PAIRS.end_id is not None
    assert BYTE_PAIRS.token_bytes(BYTE_PAIRS.end_id) == b"<|endoftext|>"
    assert BYTE_PAIRS.token_bytes(10**6) == b""


@pytest.mark.parametrize(
    "decoder",
    [
        {"type": "Metaspace", "replacement": "▁"},
        {
            "type": "Sequence",
            "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}],
        },
    ],
)
def test_sentencepieces_space(decoder: dict[str, object]) -> None:
    spelling = Spelling({"decoder": decoder, "added_tokens": [{"content": "▁s▁"}]})
    assert spelling.bytes_of("▁the") == b" the"
    assert spelling.bytes_of("▁s▁") == "▁s▁".encode()
    assert spelling.bytes_of("<0x0A>") == (b"\n" if decoder["type"] == "Sequence" else b"<0x0A>")


def test_without_a_decoder_a_token_is_its_letters() -> None:
    assert Spelling({"decoder": None}).bytes_of("Ġ▁<0x41>") == "Ġ▁<0x41>".encode()

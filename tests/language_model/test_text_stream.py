"""Whole characters only, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from groundup.language_model.text_stream import IncrementalDecoder, StopFilter, TextStream
from groundup.tokens.character import train_character_tokenizer

Decode = Callable[[list[int]], str]

byte_fallback = train_character_tokenizer(["abc\n"], byte_fallback=True)


def byte_level_tokenizer() -> tokenizers.Tokenizer:
    """Every byte a token, as in GPT-2's tokenizer before any merge."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


byte_level = byte_level_tokenizer()

# GPT-2's letters for bytes: printable Latin-1 stands for itself, the other bytes for the letters from U+0100 on.
PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
LETTERS = {byte: chr(byte) for byte in PRINTABLE} | {byte: chr(256 + i) for i, byte in enumerate(OTHERS)}


def pieces(decode: Decode, ids: list[int], prompt_ids: list[int] | None = None) -> list[str]:
    decoder = IncrementalDecoder(decode, prompt_ids or [])
    return [*(decoder.add(token) for token in ids), decoder.finish()]


def byte_ids(data: bytes) -> list[int]:
    first = byte_fallback.encode("\0")[0]  # the tokenizer has no such character, so it spells the byte 0
    return [first + byte for byte in data]


@given(st.text(max_size=30), st.text(max_size=5))
def test_text_in_bytes_comes_in_whole_characters(text: str, prompt: str) -> None:
    """Tokens of one byte: the hardest case. A character comes with the token that completes it."""
    for decode, encode in (
        (byte_fallback.decode, byte_fallback.encode),
        (byte_level.decode, lambda text: byte_level.encode(text).ids),
    ):
        found = pieces(decode, encode(text), encode(prompt))
        assert "".join(found) == text
        assert all(len(piece) <= 1 for piece in found) or "\ufffd" in text + prompt


@given(st.binary(max_size=40))
def test_bytes_that_are_no_text_come_as_the_tokenizer_decodes_them(data: bytes) -> None:
    ids = [letter_id for byte in data if (letter_id := byte_level.token_to_id(LETTERS[byte])) is not None]
    assert "".join(pieces(byte_level.decode, ids)) == data.decode("utf-8", errors="replace")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xc3\xa9\xc3", ["", "é", "", "\ufffd"]),
        (b"\xc3\xa9\xc3ab", ["", "é", "", "\ufffda", "b", ""]),
        (b"\xe2\x82", ["", "", "\ufffd\ufffd"]),
    ],
)
def test_a_character_that_stays_incomplete_is_marked_and_harms_no_other(data: bytes, expected: list[str]) -> None:
    ids = [byte_fallback.encode(chr(byte))[0] if byte < 128 else byte_ids(bytes([byte]))[0] for byte in data]
    assert pieces(byte_fallback.decode, ids) == expected


def test_a_decoder_that_drops_a_first_space_keeps_those_within() -> None:
    """SentencePiece's way: the space belongs to the word after it, and a text's first is dropped."""
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab={"▁the": 0, "▁king": 1, "s": 2}, merges=[]))
    tokenizer.decoder = decoders.Metaspace()
    assert tokenizer.decode([1]) == "king"
    assert pieces(tokenizer.decode, [1, 2, 0, 1], prompt_ids=[0]) == [" king", "s", " the", " king", ""]
    assert pieces(tokenizer.decode, [1, 2, 0], prompt_ids=[]) == ["king", "s", " the", ""]


def up_to_stop(text: str, stop: list[str]) -> str:
    """The rule, character by character: stop once the text so far ends with a stop string, and take the longest such off."""
    for end in range(1, len(text) + 1):
        endings = [string for string in stop if text[:end].endswith(string)]
        if endings:
            return text[: end - max(map(len, endings))]
    return text


letters = st.text("ab", max_size=12)


@given(st.lists(letters, max_size=8), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_stop_strings_are_found_however_the_text_is_cut(cuts: list[str], stop: list[str]) -> None:
    filtered = StopFilter(stop)
    expected, out = up_to_stop("".join(cuts), stop), ""
    for number, cut in enumerate(cuts):
        out += filtered.add(cut)
        assert expected.startswith(out)  # nothing of a stop string leaks
        so_far = "".join(cuts[: number + 1])
        assert filtered.stopped == (up_to_stop(so_far, stop) != so_far)
    assert out + filtered.finish() == expected


def test_no_more_is_held_back_than_a_stop_string_may_claim() -> None:
    filtered = StopFilter(["\n\nROMEO"])
    assert [filtered.add(text) for text in ["Ay", "\n", "me", "!\n\nRO", "SE\n"]] == ["Ay", "", "\nme", "!", "\n\nROSE"]
    assert filtered.finish() == "\n"


def test_stop_strings_in_letters_of_several_bytes() -> None:
    stream = TextStream(byte_fallback.decode, [], ["é!"])
    ids = byte_ids("aéé!b".encode())
    assert "".join([*map(stream.add, ids), stream.finish()]) == "aé"
    assert stream.stopped


def test_at_the_end_all_that_was_held_back_comes_in_order() -> None:
    stream = TextStream(byte_fallback.decode, [], ["ab"])
    assert [stream.add(token) for token in [*byte_fallback.encode("a"), *byte_ids(b"\xc3")]] == ["", ""]
    assert stream.finish() == "a\ufffd"

"""The plain word and byte-pair tokenizers agree with the fast ones, merge for merge and id for id."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from groundup.textbook import byte_pair
from groundup.textbook.byte_pair import PIECES, BytePairTokenizer
from groundup.textbook.tokenizers import WordTokenizer
from groundup.tokens.word import train_word_tokenizer

ROOT = Path(__file__).parents[2]
TEXTS = {
    "license": (ROOT / "LICENSE").read_text(encoding="utf-8"),
    "code": Path(__file__).read_text(encoding="utf-8"),
    "mixed": "Übermäßig größer, größer! 世界 世界 नमस्ते नमस्ते 😀😀 don't  won't\n\n\tx == y\r\n" * 7,
}
HOSTILE = ["", " ", "  two  spaces  ", "<|endoftext|>", "世界 😀 é", "größer als Größe", "a" * 50, "\x00\ufeff\u200b"]


def library(text: str, vocab_size: int) -> tokenizers.Tokenizer:
    """The same pieces and the same order of bytes in Hugging Face's library."""
    fast = tokenizers.Tokenizer(models.BPE())
    pieces = pre_tokenizers.Split(Regex(PIECES), "isolated")
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    fast.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fast.train_from_iterator(
        [text],
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    fast.encode_special_tokens = True
    return fast


@pytest.mark.parametrize("name", TEXTS)
def test_ids_are_those_of_the_library(name: str) -> None:
    plain, fast = BytePairTokenizer(TEXTS[name], 400), library(TEXTS[name], 400)
    assert plain.vocab_size == fast.get_vocab_size()
    for text in [*TEXTS.values(), *HOSTILE]:
        assert plain.encode(text) == fast.encode(text).ids


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    tokenizer = BytePairTokenizer("aab aab aab ab", 260)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_docstring_examples() -> None:
    assert doctest.testmod(byte_pair).attempted == 4
    assert doctest.testmod(byte_pair).failed == 0


def test_it_ends_when_no_pair_is_frequent_enough() -> None:
    assert BytePairTokenizer("ab cd", 1000).vocab_size == 257
    assert BytePairTokenizer("", 1000).vocab_size == 257
    with pytest.raises(ValueError, match="vocab_size = 256 is too small"):
        BytePairTokenizer("ab", 256)


def test_what_is_no_text_is_marked() -> None:
    tokenizer = BytePairTokenizer("", 257)
    lone = tokenizer.tokens.index(b"\xff")
    assert tokenizer.decode([lone, 0]) == "\ufffd"
    assert tokenizer.decode([0], skip_special_tokens=False) == "<|endoftext|>"


@pytest.mark.parametrize("name", TEXTS)
def test_words_are_those_of_the_fast_tokenizer(name: str) -> None:
    plain = WordTokenizer(TEXTS[name], vocab_size=102, min_frequency=2)
    fast = train_word_tokenizer([TEXTS[name]], vocab_size=103, min_frequency=2)  # one special token more
    for text in [*TEXTS.values(), *HOSTILE]:
        ids = fast.encode(text)
        assert [token_id + 1 if token_id > 1 else token_id for token_id in plain.encode(text)] == ids
        assert plain.decode(plain.encode(text)) == fast.decode(ids)


def test_what_has_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="WordTokenizer got an empty text"):
        WordTokenizer("")
    for vocab_size in (-1, 0, 2):
        with pytest.raises(ValueError, match=f"vocab_size = {vocab_size} is too small"):
            WordTokenizer("a b", vocab_size)


@pytest.mark.parametrize("index", [-1, 260])
def test_an_id_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=f"The id {index} is not in the vocabulary: ids go from 0 to 259"):
        BytePairTokenizer("aab aab aab ab", 260).decode([index])

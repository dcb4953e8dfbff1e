"""The character tokenizer."""

from __future__ import annotations

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.textbook import tokenizers
from groundup.textbook.tokenizers import CharacterTokenizer


def test_ids_by_hand() -> None:
    tokenizer = CharacterTokenizer("hello world")  # ' ' d e h l o r w, after the end token 0 and the unknown one 1
    assert tokenizer.vocab_size == 10
    assert tokenizer.encode("hello") == [5, 4, 6, 6, 7]
    assert tokenizer.encode("") == []


def test_docstring_example() -> None:
    assert doctest.testmod(tokenizers).attempted == 6
    assert doctest.testmod(tokenizers).failed == 0


@given(st.text(min_size=1))
def test_known_characters_come_back_exactly(text: str) -> None:
    tokenizer = CharacterTokenizer(text)
    ids = tokenizer.encode(text)
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert min(ids) >= 2
    assert max(ids) < tokenizer.vocab_size


def test_tensors_in_and_out() -> None:
    tokenizer = CharacterTokenizer("abc")
    ids = tokenizer.encode("cab", return_tensors="pt")
    assert torch.equal(ids, torch.tensor([[4, 2, 3]]))
    assert tokenizer.decode(ids[0]) == "cab"
    empty = tokenizer.encode("", return_tensors="pt")
    assert (empty.shape, empty.dtype) == ((1, 0), torch.long)


def test_unknown_characters_and_the_end_are_special() -> None:
    tokenizer = CharacterTokenizer("ab")
    assert tokenizer.encode("a?b") == [2, tokenizer.unk_token_id, 3]
    assert tokenizer.decode([2, 1, 3, 0]) == "ab"
    assert tokenizer.decode([2, 1, 3, 0], skip_special_tokens=False) == "a<|unk|>b<|endoftext|>"


def test_a_text_cannot_spell_a_special_token() -> None:
    tokenizer = CharacterTokenizer("<|endoftext|>")
    ids = tokenizer.encode("<|endoftext|>")
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids) == "<|endoftext|>"


def test_what_cannot_be_used_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="got an empty text: give it the training text"):
        CharacterTokenizer("")
    tokenizer = CharacterTokenizer("ab")
    with pytest.raises(ValueError, match="return_tensors = 'np' is not known: use 'pt' for a tensor, None for a list"):
        tokenizer.encode("a", return_tensors="np")  # type: ignore[call-overload]
    for index in (4, -1):
        with pytest.raises(ValueError, match=f"The id {index} is not in the vocabulary: ids go from 0 to 3"):
            tokenizer.decode([index])

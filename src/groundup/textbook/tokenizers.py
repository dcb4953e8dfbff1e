"""Tokenizers: text to numbers and back. Here the two plainest: a number for each character, or for each word."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Literal, overload

import torch
from torch import Tensor


class CharacterTokenizer:
    """One token per character of the text it was made from, and two special ones: the end of a text, and the unknown.

    >>> tokenizer = CharacterTokenizer("hello world")
    >>> tokenizer.encode("hello")
    [5, 4, 6, 6, 7]
    >>> tokenizer.decode([5, 4, 6, 6, 7])
    'hello'
    """

    eos_token = "<|endoftext|>"
    unk_token = "<|unk|>"
    eos_token_id = 0
    unk_token_id = 1

    def __init__(self, text: str) -> None:
        """Take the vocabulary from `text`: its different characters, in the order of their code points."""
        if not text:
            raise ValueError("CharacterTokenizer got an empty text: give it the training text, for its characters.")
        self._take(sorted(set(text)))

    def _take(self, pieces: list[str]) -> None:
        self.tokens = [self.eos_token, self.unk_token, *pieces]
        # Only pieces of text are looked up: a text that spells out "<|endoftext|>" is 13 characters, and ends nothing.
        self._ids = {piece: index for index, piece in enumerate(pieces, start=2)}

    def pieces(self, text: str) -> list[str]:
        """What a text is cut into; joined, they are the text again."""
        return list(text)

    @property
    def vocab_size(self) -> int:
        """How many different ids there are, the two special ones counted."""
        return len(self.tokens)

    @overload
    def encode(self, text: str, return_tensors: None = None) -> list[int]: ...
    @overload
    def encode(self, text: str, return_tensors: Literal["pt"]) -> Tensor: ...

    def encode(self, text: str, return_tensors: Literal["pt"] | None = None) -> list[int] | Tensor:
        """The ids of the text's T pieces: a list, or with return_tensors="pt" a (1, T) tensor, a batch of one.

        A piece that the vocabulary lacks becomes `unk_token_id`.
        """
        if return_tensors not in (None, "pt"):
            raise ValueError(
                f"return_tensors = {return_tensors!r} is not known: use 'pt' for a tensor, None for a list."
            )
        ids = [self._ids.get(piece, self.unk_token_id) for piece in self.pieces(text)]
        return torch.tensor([ids], dtype=torch.long) if return_tensors else ids

    def decode(self, ids: Iterable[int] | Tensor, skip_special_tokens: bool = True) -> str:
        """The text of a list or (T,) tensor of ids; special tokens are left out, or else written by name."""
        numbers = [int(index) for index in ids]
        for index in numbers:
            if not 0 <= index < self.vocab_size:
                raise ValueError(f"The id {index} is not in the vocabulary: ids go from 0 to {self.vocab_size - 1}.")
        left_out = (self.eos_token_id, self.unk_token_id) if skip_special_tokens else ()
        return "".join(self.tokens[index] for index in numbers if index not in left_out)


class WordTokenizer(CharacterTokenizer):
    """One token per word, stretch of space, and other sign that occurs often enough; every rarer one is the unknown token.

    >>> tokenizer = WordTokenizer("to be, or not to be", min_frequency=2)
    >>> tokenizer.tokens
    ['<|endoftext|>', '<|unk|>', ' ', 'be', 'to']
    >>> tokenizer.encode("to be or")
    [4, 2, 3, 2, 1]
    """

    def __init__(self, text: str, vocab_size: int = 10_000, min_frequency: int = 1) -> None:
        """Take the most frequent pieces of `text`, at most `vocab_size` tokens with the two special ones; of two that are equally
        frequent, the first in the order of their code points."""
        if not text:
            raise ValueError("WordTokenizer got an empty text: give it the training text, for its words.")
        if vocab_size < 3:
            raise ValueError(f"vocab_size = {vocab_size} is too small: the two special tokens and a word are 3.")
        counts = Counter(self.pieces(text))
        frequent = [piece for piece, count in counts.items() if count >= min_frequency]
        self._take(sorted(frequent, key=lambda piece: (-counts[piece], piece))[: vocab_size - 2])

    def pieces(self, text: str) -> list[str]:
        """Words, stretches of space, and single other signs: every character belongs to one of the three."""
        pieces: list[str] = []
        for kind, characters in itertools.groupby(text, kind_of_character):
            together = list(characters)
            pieces += together if kind == "sign" else ["".join(together)]
        return pieces


def kind_of_character(character: str) -> Literal["word", "space", "sign"]:
    """word for letters, the marks above and below them, digits and the underscore; space; sign for all else."""
    category = unicodedata.category(character)[0]  # Unicode's first letter: L letter, M mark, N number, Z separator
    if category in "LMN" or character == "_":
        return "word"
    return "space" if category == "Z" or character in "\t\n\v\f\r" else "sign"

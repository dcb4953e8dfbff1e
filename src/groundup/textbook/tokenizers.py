"""Tokenizers: text to numbers and back. Here the plainest one: a number for each character."""

from __future__ import annotations

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
        characters = sorted(set(text))
        self.tokens = [self.eos_token, self.unk_token, *characters]
        # Only characters are looked up: a text that spells out "<|endoftext|>" is 13 characters, and ends nothing.
        self._ids = {character: index for index, character in enumerate(characters, start=2)}

    @property
    def vocab_size(self) -> int:
        """How many different ids there are, the two special ones counted."""
        return len(self.tokens)

    @overload
    def encode(self, text: str, return_tensors: None = None) -> list[int]: ...
    @overload
    def encode(self, text: str, return_tensors: Literal["pt"]) -> Tensor: ...

    def encode(self, text: str, return_tensors: Literal["pt"] | None = None) -> list[int] | Tensor:
        """The ids of the text's T characters: a list, or with return_tensors="pt" a (1, T) tensor, a batch of one.

        A character that the vocabulary lacks becomes `unk_token_id`.
        """
        if return_tensors not in (None, "pt"):
            raise ValueError(
                f"return_tensors = {return_tensors!r} is not known: use 'pt' for a tensor, None for a list."
            )
        ids = [self._ids.get(character, self.unk_token_id) for character in text]
        return torch.tensor([ids], dtype=torch.long) if return_tensors else ids

    def decode(self, ids: Iterable[int] | Tensor, skip_special_tokens: bool = True) -> str:
        """The text of a list or (T,) tensor of ids; special tokens are left out, or else written by name."""
        numbers = [int(index) for index in ids]
        for index in numbers:
            if not 0 <= index < self.vocab_size:
                raise ValueError(f"The id {index} is not in the vocabulary: ids go from 0 to {self.vocab_size - 1}.")
        left_out = (self.eos_token_id, self.unk_token_id) if skip_special_tokens else ()
        return "".join(self.tokens[index] for index in numbers if index not in left_out)

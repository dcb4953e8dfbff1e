"""Fill-in-the-middle: a document's middle comes last, so that a model learns to write what is missing between two texts
(Bavarian et al. 2022, Efficient Training of Language Models to Fill in the Middle).

    as it is              prefix middle suffix END
    prefix first (PSM)    <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle END
    suffix first (SPM)    <|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix middle END

The tokens have the names that Qwen 2.5 Coder gave them and llama.cpp looks for. All is decided by the text's own hash: the same
document is always cut the same way. Cuts fall between any two characters, as a cursor may stand within a word.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.train import train_with_special_tokens

PREFIX, MIDDLE, SUFFIX = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"
SPECIAL_TOKENS = (PREFIX, MIDDLE, SUFFIX)
FULL = 0.75  # of a window: of pieces as long as the text's average allows, few take more than the whole


def train_with_middle(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """A tokenizer as the settings ask for, and in it `SPECIAL_TOKENS`: within its size, if it has one; at its end, if it lacks them."""
    return train_with_special_tokens(texts, settings, SPECIAL_TOKENS)


@dataclass(frozen=True)
class FillInTheMiddle:
    """Which documents are turned, and how."""

    tokenizer: Tokenizer
    """One that has `SPECIAL_TOKENS`."""
    rate: float
    """The share of documents that are turned."""
    suffix_first_rate: float
    """The share of pieces in which the suffix comes first."""
    sequence_length: int
    """A document that takes more tokens is cut into pieces, each of which is turned: a middle is to be read with what is around it."""

    def turns(self, text: str) -> bool:
        """Whether this document is turned."""
        return _numbers("whether" + text)[0] < self.rate

    def documents(self, text: str) -> Iterator[NDArray[np.int32]]:
        """The ids of each piece of a document that is turned, without the end token; each is a document of its own."""
        for piece in self._pieces(text):
            yield self.turned(piece)

    def turned(self, text: str) -> NDArray[np.int32]:
        """The ids of a text, its middle last."""
        which, one, other = _numbers("how" + text)
        begin, end = sorted((int(one * (len(text) + 1)), int(other * (len(text) + 1))))
        prefix, middle, suffix = text[:begin], text[begin:end], text[end:]
        encode = functools.partial(self.tokenizer.encode_array, whole=False)
        if which < self.suffix_first_rate:
            # Prefix and middle are encoded as one, as what the model reads and what it goes on with are (the paper's appendix D).
            parts = [
                self._special(PREFIX),
                self._special(SUFFIX),
                encode(suffix),
                self._special(MIDDLE),
                encode(prefix + middle),
            ]
        else:
            parts = [self._special(PREFIX), encode(prefix), self._special(SUFFIX), encode(suffix)]
            parts += [self._special(MIDDLE), encode(middle)]
        return np.concatenate(parts)

    def _special(self, token: str) -> NDArray[np.int32]:
        return np.array([self.tokenizer.token_id(token)], np.int32)

    def _pieces(self, text: str) -> Iterator[str]:
        num_tokens = len(self.tokenizer.encode_array(text))
        if num_tokens + len(SPECIAL_TOKENS) + 1 <= self.sequence_length:
            yield text
            return
        characters = max(1, int(len(text) * FULL * self.sequence_length / num_tokens))
        start = 0
        while start < len(text):
            end = start + characters
            if end < len(text):
                end = text.rfind("\n", start, end) + 1 or end  # at the end of a line, if there is one
            yield text[start:end]
            start = end


def _numbers(text: str) -> tuple[float, float, float]:
    """Three numbers in [0, 1) that follow from a text."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    first, second, third = (int.from_bytes(digest[at : at + 6], "big") / 2**48 for at in (0, 6, 12))
    return first, second, third

"""Byte-level byte pairs at the speed of tiktoken: the same merges, the same pieces, and so the same ids as `tokenizers`.

tiktoken joins whichever neighbours make a known token, `tokenizers` only pairs that are listed as merges. The two agree when
each merge makes a token of its own, and that token's own text becomes just that token: what lies between a token's borders is
joined in the same order there as in any text, so no other pair can come to make it. `of` checks this for the whole vocabulary.
That the pieces are the same rests on two engines for regular expressions: it is tried on samples of the very text each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import models

from groundup.tokens import patterns

PIECE_CHARACTERS = 2**18  # at four times as many, all of them spaces, tiktoken runs out of stack
SAMPLE_EVERY = 2**16  # characters
SAMPLE_CHARACTERS = 256
PLACES = re.compile(r"(?<=\S)(?= )|(?<=\S\n)(?=\S)")
NEAR = 1000  # characters in which there is most often a place to cut


class BytePairEngine:
    """tiktoken with the merges of a tokenizer.json, held against the `tokenizers` library on samples."""

    def __init__(
        self, ranks: Mapping[bytes, int], ids: NDArray[np.int32], pattern: str, library: Callable[[str], list[int]]
    ) -> None:
        """From bytes to ranks (the order of merges), from ranks to ids, and what the library makes of a text."""
        import tiktoken

        self._encoding = tiktoken.Encoding("groundup", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={})
        self._ids = ids
        self._library = library
        self._since_sample = SAMPLE_EVERY
        self.samples = 0
        """How many samples were compared, each `SAMPLE_CHARACTERS` long."""
        self.mismatch: str | None = None
        """A sample that came out otherwise than in the library: nothing is encoded here from then on."""

    @classmethod
    def of(cls, description: Mapping[str, Any], library: Callable[[str], list[int]]) -> BytePairEngine | None:
        """The engine of a parsed tokenizer.json, or None for one that isn't plain byte-level BPE with a known pattern.

        `library` gives the ids of the same tokenizer.json, special tokens taken as text.
        """
        pattern = _pattern(description.get("pre_tokenizer"))
        model, added = description["model"], description.get("added_tokens") or []
        if pattern is None or not _is_plain(description):
            return None
        vocab: dict[str, int] = model["vocab"]
        merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
        letters = patterns.bytes_of_letters()
        products = ["".join(pair) for pair in merges]
        tokens = [*letters, *products]
        if len(set(tokens)) < len(tokens) or not all(token in vocab for token in tokens):
            return None
        whole_pieces_first = model.get("ignore_merges")
        if whole_pieces_first and set(vocab) - set(tokens) - {token["content"] for token in added}:
            return None
        plain = models.BPE(vocab=vocab, merges=merges)
        if any(len(plain.tokenize(product)) != 1 for product in products):
            return None
        ranks = {bytes(map(letters.__getitem__, token)): rank for rank, token in enumerate(tokens)}
        engine = cls(ranks, np.array([vocab[token] for token in tokens], np.int32), pattern, library)
        if any(engine._differs(token["content"]) for token in added):
            return None
        return engine

    def encode(self, text: str) -> NDArray[np.int32]:
        """(tokens,) the ids of a valid Unicode text, a piece of `cut`. A longer one, in which there was nowhere to cut, is the
        library's; so is one where a sample differs, and all from then on.
        """
        if self.mismatch is None:
            self.mismatch = next((sample for sample in self._samples(text) if self._differs(sample)), None)
        if self.mismatch is None and len(text) <= PIECE_CHARACTERS:
            return self._encode(text)
        return np.array(self._library(text), np.int32)

    def _encode(self, text: str) -> NDArray[np.int32]:
        ranks = self._encoding.encode_ordinary(text)
        return self._ids[np.fromiter(ranks, np.int32, len(ranks))]

    def _differs(self, text: str) -> bool:
        return bool(self._encode(text).tolist() != self._library(text))

    def _samples(self, text: str) -> Iterator[str]:
        """The text's beginning, if enough went by since the last sample, and a stretch in each `SAMPLE_EVERY` characters."""
        place = max(0, SAMPLE_EVERY - self._since_sample)
        while place < len(text):
            self.samples += 1
            yield text[place : place + SAMPLE_CHARACTERS]
            self._since_sample = -place
            place += SAMPLE_EVERY
        self._since_sample += len(text)


def cut(text: str, length: int = PIECE_CHARACTERS) -> Iterator[str]:
    """A long text in pieces of at most `length` characters, if there are places to cut it.

    These are: before a space that doesn't follow another, and after a line's end between two characters that are not space.
    With every pattern of ours, a token ends there, and neither side's pieces depend on the other side: the ids of what is
    given here, one after another, are the whole text's.
    """
    start = 0
    while start < len(text):
        end = _last_place(text, start, start + length) if len(text) - start > length else len(text)
        yield text[start:end]
        start = end


def _last_place(text: str, start: int, end: int) -> int:
    """Where to end a piece from `start` on: at the last place up to `end`, or the first one after it."""
    for begin in (max(start + 1, end - NEAR), start + 1):
        places = [place.start() for place in PLACES.finditer(text, begin, end + 1)]
        if places:
            return places[-1]
    after = PLACES.search(text, end)
    return after.start() if after else len(text)


def _is_plain(description: Mapping[str, Any]) -> bool:
    """Whether a tokenizer.json does nothing but cut, join bytes, and know special tokens."""
    model = description["model"]
    after = description.get("post_processor") or {"type": "ByteLevel"}
    return bool(
        model.get("type") == "BPE"
        and model.get("merges")
        and not any(model.get(key) for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
        and not description.get("normalizer")
        and after.get("type") == "ByteLevel"  # which only tells where tokens stand
        and all(token["special"] for token in description.get("added_tokens") or [])
    )


def _pattern(step: Mapping[str, Any] | None) -> str | None:
    """The one regular expression that cuts as a pre-tokenizer does, if we know one."""
    steps = (step.get("pretokenizers") or [step]) if step else []
    if not steps or steps[-1].get("type") != "ByteLevel" or steps[-1].get("add_prefix_space", True):
        return None
    words = steps[-1].get("use_regex", True)
    match steps[:-1]:
        case [] if words:
            return patterns.GPT2
        case [{"type": "Digits", "individual_digits": True}] if words:
            return patterns.DIGITS_GPT2
        case [{"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}] if not words:
            return regex if regex in (patterns.QWEN2, patterns.QWEN35, patterns.CL100K, patterns.O200K) else None
    return None

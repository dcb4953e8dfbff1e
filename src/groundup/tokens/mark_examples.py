"""Rows of sources as marked rows, one after the other, and what became of each: counted, with the first few places of every kind."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError, TokenizerError
from groundup.text.bad_input import BadInput
from groundup.text.conversations import kind_of_row
from groundup.text.duplicates.exact import DIGEST_BYTES, exact_duplicates
from groundup.text.source_rows import PlacedRow
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.example_store import ExampleStore, Row, write_examples
from groundup.tokens.learned_tokens import MarkedRow, mark_pair, mark_row
from groundup.tokens.tokenizer import Tokenizer

PLACES = 3
WANTED = {
    "instruction": (
        'training.objective = \'instruction\' learns from rows: {"instruction", "input", "output"}, {"prompt", "completion"}, '
        '{"messages": [{"role", "content"}, …]} or {"conversations": [{"from", "value"}, …]}'
    ),
    "preference": (
        'training.objective = \'preference\' learns from rows: {"prompt", "chosen", "rejected"}, {"instruction", "input", '
        '"chosen", "rejected"} or {"conversations": […], "chosen", "rejected"}'
    ),
}
CROPPED, COPY = "later exchanges left out", "the same tokens as a row before"


@dataclass
class Tally:
    """What became of the rows of a split."""

    read: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """How many rows are a conversation, a preference, a text, ids."""
    dropped: Counter[str] = field(default_factory=Counter)
    """How many were dropped, by the reason."""
    cropped: int = 0
    """How many lost their later exchanges."""
    cropped_tokens: int = 0
    """And how many tokens these had."""
    stops: Counter[int] = field(default_factory=Counter)
    """The tokens that end a turn, or a text, and are learned: how often each."""
    masked_stops: Counter[int] = field(default_factory=Counter)
    """Special tokens that stand behind the last token of a row that is learned, where no end is: how often each."""
    shared_prompts: int = 0
    """How many held-out examples have a prompt that is trained on, too."""
    rows_of: Counter[str] = field(default_factory=Counter)
    """How many rows each source gave."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """Where the first few rows stand of each kind of those."""

    def note(self, what: str, place: str) -> None:
        """Remember a place, if it is among the first."""
        places = self.places.setdefault(what, [])
        if len(places) < PLACES:
            places.append(place)


@dataclass
class Marker:
    """Marks rows, writes them to a store, and remembers which are alike."""

    tokenizer: Tokenizer
    template: ChatTemplate
    objective: str
    limit: int
    """Tokens of the longest row."""
    tally: Tally = field(default_factory=Tally)
    _digests: bytearray = field(default_factory=bytearray)
    _prompts: bytearray = field(default_factory=bytearray)

    def write(
        self, path: Path, rows: Iterator[PlacedRow], bad: BadInput, advance: Callable[[int], None]
    ) -> ExampleStore:
        """The rows, marked, as a store. `bad` is told of those that can't be used, `advance` of so many more characters that were read."""
        return write_examples(path, self._marked(rows, bad, advance), 2 if self.pairs else 1)

    @property
    def pairs(self) -> bool:
        """Whether an example is a pair of rows."""
        return self.objective == "preference"

    @property
    def prompts(self) -> NDArray[np.uint8]:
        """(examples, 32): a hash of what stands before the first token that carries loss; of all, where every token does."""
        return np.frombuffer(bytes(self._prompts), np.uint8).reshape(-1, DIGEST_BYTES)

    def kept(self, drop_copies: bool) -> NDArray[np.int64]:
        """The numbers of the examples, without those that have the tokens of one before them, which are counted as dropped."""
        digests = np.frombuffer(bytes(self._digests), np.uint8).reshape(-1, DIGEST_BYTES)
        numbers = np.arange(len(digests))
        if not drop_copies:
            return numbers
        first = exact_duplicates(digests) == numbers
        self.tally.dropped.update({COPY: int((~first).sum())} if not first.all() else {})
        kept: NDArray[np.int64] = numbers[first]
        return kept

    def _marked(self, rows: Iterator[PlacedRow], bad: BadInput, advance: Callable[[int], None]) -> Iterator[Row]:
        for source, place, row in rows:
            advance(len(str(row)))
            self.tally.read += 1
            self.tally.rows_of[source] += 1
            try:
                examples = self._examples(row, place)  # a row that is none is told here, by what the objective asks for
                kind = kind_of_row(row, place)
            except (DataError, TokenizerError) as error:
                told = str(error)
                bad(told if place in told else f"{place}: {told}", "unusable rows")
                continue
            self.tally.kinds[kind] += 1
            yield from self._counted(examples, place)

    def _examples(self, row: Mapping[str, Any], place: str) -> list[tuple[MarkedRow, ...]]:
        """The examples of a row, each of one marked row or of two; a long text is more than one."""
        if self.pairs:
            return [mark_pair(row, place, self.tokenizer, self.template, self.limit)]
        return [(marked,) for marked in mark_row(row, place, self.tokenizer, self.template, self.limit)]

    def _counted(self, examples: Sequence[tuple[MarkedRow, ...]], place: str) -> Iterator[Row]:
        tally, prompt = self.tally, b""
        for example in examples:
            dropped = next((marked.dropped for marked in example if marked.dropped), "")
            arrays = [np.array(marked.ids, np.int32) for marked in example]
            if dropped:
                tally.dropped[dropped] += 1
                tally.note(dropped, place)
                continue
            if cropped := max(marked.cropped for marked in example):
                tally.cropped += 1
                tally.cropped_tokens += cropped
                tally.note(CROPPED, place)
            prompt = prompt or _prompt(arrays[0])  # the pieces of a long text stay together
            self._prompts += prompt
            self._digests += hashlib.sha256(b"|".join(ids.tobytes() for ids in arrays)).digest()
            for ids, marked in zip(arrays, example, strict=True):
                if marked.stop_learned:
                    tally.stops[int(ids[ids >= 0][-1])] += 1
                else:
                    tally.masked_stops.update(self._specials_behind(ids))
                yield Row(ids, marked.text_bytes, marked.stop_learned)

    def _specials_behind(self, ids: NDArray[np.int32]) -> list[int]:
        """The special tokens behind the last one that is learned; none where nothing is."""
        learned = np.flatnonzero(ids >= 0)
        behind = (~ids[int(learned[-1]) + 1 :]).tolist() if len(learned) else []
        return [number for number in behind if number in self._special]

    @cached_property
    def _special(self) -> set[int]:
        return set(self.tokenizer.special_tokens().values())


def _prompt(ids: NDArray[np.int32]) -> bytes:
    """A hash of the tokens before the first that carries loss; of all, where there is none before it."""
    learned = np.flatnonzero(ids[1:] >= 0)
    begin = int(learned[0]) + 1 if len(learned) else len(ids)
    begin = len(ids) if begin <= 1 else begin
    return hashlib.sha256(ids[:begin].tobytes()).digest()

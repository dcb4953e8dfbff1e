"""The texts that an audit looks at: what a model was trained on, and what was held out, as tokens; and rows cut from them.

Shapes: D documents, N rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.tokens.sharded_ids import TokenIds
from groundup.tokens.store import TokenStore
from groundup.tokens.tokenizer import Tokenizer

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """Some documents, one behind the other."""

    ids: TokenIds
    """(tokens,) each document's ids, with its end token if there is one."""
    ends: Integers
    """(D,) where each ends."""
    groups: Integers
    """(D,) the number of each one's source."""
    opening: tuple[int, ...] = ()
    """What a model is given before each row: the tokens that its tokenizer begins a text with, for some know no text without them."""

    @classmethod
    def of_store(cls, store: TokenStore, one_source: bool = False) -> Side:
        """The documents of a token store; with `one_source`, as if all were of one."""
        return cls(store.ids, store.ends, np.zeros_like(store.groups) if one_source else store.groups)

    @classmethod
    def of_texts(cls, texts: Iterable[tuple[str, int]], tokenizer: Tokenizer, opening: tuple[int, ...] = ()) -> Side:
        """Texts, each with the number of its source; without the tokens around a text if rows are to begin with an `opening`."""
        end = [] if tokenizer.end_id is None else [tokenizer.end_id]
        encoded, groups = list[NDArray[Any]](), list[int]()
        for text, group in texts:
            ids = tokenizer.encode_array(text, whole=not opening)
            encoded.append(np.concatenate([ids, np.array(end, np.int32)]))
            groups.append(group)
        lengths = np.array([len(ids) for ids in encoded], np.int64)
        joined = np.concatenate([np.zeros(0, np.int32), *encoded])
        return cls(joined, np.cumsum(lengths), np.array(groups, np.int64), opening)

    @property
    def lengths(self) -> Integers:
        """(D,) how many tokens each has."""
        return np.diff(self.ends, prepend=0)

    def texts(self, tokenizer: Tokenizer) -> Iterator[str]:
        """Each document's text."""
        begin = 0
        for end in self.ends.tolist():
            yield tokenizer.decode(self.ids[begin:end].tolist())
            begin = end

    def stretches(self, length: int) -> tuple[Integers, Integers]:
        """Where documents can be cut into pieces of `length` that don't overlap, from each one's beginning on: (N,) the places, and
        (N,) the groups. What is shorter is left out, as is what is left at a document's end."""
        begins, pieces = self.ends - self.lengths, self.lengths // length
        document = np.repeat(np.arange(len(pieces)), pieces)
        of_document = np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        return begins[document] + of_document * length, self.groups[document]

    def documents_at(self, places: Integers) -> Integers:
        """(N,) the number of the document that each place is in."""
        return np.searchsorted(self.ends, places, side="right")

    def distinct(self, places: Integers, length: int) -> Integers:
        """Those of some places where no row of `length` begins that is like one of an earlier place."""
        _, first = np.unique(row_hashes(self.cut(places, length), length)[:, 0], return_index=True)
        return places[np.sort(first)]

    def cut(self, places: Integers, length: int) -> NDArray[Any]:
        """(N, length) the ids from each place on."""
        return np.asarray(self.ids[places[:, None] + np.arange(length)])


def choose(places: Integers, count: int, generator: np.random.Generator) -> Integers:
    """`count` of some places in random order, each once; all of them if there are no more."""
    return generator.permutation(places)[:count]


def choose_alike(
    one: tuple[Integers, Integers], other: tuple[Integers, Integers], count: int, generator: np.random.Generator
) -> tuple[Integers, Integers]:
    """Up to `count` places of each of two sides, (places, groups): from each source as many of the one as of the other, so that
    no score can tell them by their source."""
    groups = np.intersect1d(one[1], other[1])
    there = np.array([min((one[1] == group).sum(), (other[1] == group).sum()) for group in groups])
    wanted = there if there.sum() <= count else _shares(there, count)
    chosen = [
        [choose(places[of == group], number, generator) for group, number in zip(groups, wanted, strict=True)]
        for places, of in (one, other)
    ]
    empty = np.zeros(0, np.int64)
    return np.concatenate([empty, *chosen[0]]), np.concatenate([empty, *chosen[1]])


def _shares(there: Integers, count: int) -> Integers:
    """`count` dealt out in proportion: (groups,), what is left over going to the largest remainders."""
    exact = there * (count / there.sum())
    shares: Integers = np.floor(exact).astype(np.int64)
    left = count - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:left]] += 1
    return shares


def row_hashes(ids: NDArray[Any], length: int) -> NDArray[np.uint64]:
    """A number for each stretch of `length` of some ids (…, tokens): (…, tokens - length + 1). Equal stretches have equal numbers;
    others, but for one chance in 2^64 or so, others (Karp and Rabin 1987)."""
    base, kept = 0x9E3779B97F4A7C15, max(0, ids.shape[-1] - length + 1)
    # Of stretches of 1, 2, 4, … ids; those in which `length` is written as a binary number make up the whole, from its end.
    pieces, size = ids.astype(np.uint64) + np.uint64(1), 1
    hashes, done = np.zeros((*ids.shape[:-1], kept), np.uint64), 0
    while kept and done < length:
        if length & size:
            before = length - done - size
            hashes += pieces[..., before : before + kept] * np.uint64(pow(base, done, 2**64))
            done += size
        if done < length:
            pieces = pieces[..., :-size] * np.uint64(pow(base, size, 2**64)) + pieces[..., size:]
            size *= 2
    return hashes


def count_occurrences(ids: TokenIds, rows: NDArray[Any], at_once: int = 1 << 22) -> Integers:
    """(N,) how often each of rows (N, length) occurs in ids, wherever it begins."""
    length = rows.shape[1]
    wanted, which = np.unique(row_hashes(rows, length)[:, 0], return_inverse=True)
    counts = np.zeros(len(wanted), np.int64)
    for start in range(0, max(0, len(ids) - length + 1), at_once):
        hashes = row_hashes(np.asarray(ids[start : start + at_once + length - 1]), length)
        places = np.minimum(np.searchsorted(wanted, hashes), max(0, len(wanted) - 1))
        if len(wanted):
            counts += np.bincount(places[wanted[places] == hashes], minlength=len(wanted))
    return counts[which]

"""The n-gram model that a neural one has to beat: interpolated Kneser-Ney smoothing with three discounts, in arrays.

`groundup.textbook.ngram` is the plain version, and gives the same numbers; this one is made for tens of millions of tokens. The n-grams
of k tokens are a table, sorted by context (its row in the table of the k - 1 tokens), then by last token, both in one integer. So
an n-gram is a row number, and one binary search leads from a context and a token to the row of both together.

Shapes: N tokens, G n-grams of k tokens, C contexts of k - 1 tokens.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundup.errors import DataError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

FALLBACK = (0.5, 1.0, 1.5)
UNSEEN = -1  # the row of what has none
END_BYTE = 256


@dataclass(frozen=True)
class Table:
    """All n-grams of k tokens that were seen, and what their contexts of k - 1 tokens predict."""

    keys: Integers
    """(G,) row of the context, times the number of symbols, plus the last token; ascending."""
    probabilities: Floats
    """(G,) P(last token | context), the shares of shorter contexts included."""
    leftover: Floats
    """(C,) the weight that the context gives to the next shorter one; 1 where nothing was seen to follow it."""
    likeliest: Integers
    """(C,) of the tokens that were seen to follow the context, the one with the highest probability."""
    highest: Floats
    """(C,) that probability; 0 where nothing was seen to follow it."""

    def find(self, contexts: Integers, tokens: Integers, num_symbols: int) -> Integers:
        """The rows of contexts followed by tokens, `UNSEEN` for those that have none."""
        keys = contexts * num_symbols + tokens  # below 0 for a context that is itself unseen
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[rows] == keys, rows, UNSEEN)


@dataclass(frozen=True)
class NgramModel:
    """P(token | the up to `order` - 1 tokens before it in its document)."""

    tables: tuple[Table, ...]
    """For n-grams of 1, 2, … `order` tokens."""
    vocab_size: int
    end_id: int | None
    """The token that ends a document. It is predicted like any other; what follows it is predicted without what stands before it."""

    @property
    def order(self) -> int:
        """The most tokens in an n-gram."""
        return len(self.tables)

    @property
    def num_grams(self) -> int:
        """How many n-grams of all lengths are known."""
        return sum(len(table.keys) for table in self.tables)

    def losses(self, ids: ArrayLike) -> Floats:
        """-ln P of each of the tokens (N,), in nats."""
        probability, _ = self._predict(_checked(ids, self.vocab_size))
        return -np.log(probability)

    def bits_per_byte(self, ids: ArrayLike, num_bytes: int) -> float:
        """Bits a byte over all tokens but the first, which a neural model doesn't predict either.

        `num_bytes`: of the text that the predicted tokens stand for. Raises `DataError` for fewer than two tokens.
        """
        return float(self.losses(_two_or_more(ids))[1:].sum()) / math.log(2) / num_bytes

    def accuracy(self, ids: ArrayLike) -> float:
        """The share of tokens, but the first, that are the likeliest where they stand. Raises `DataError` for fewer than two."""
        tokens = _checked(_two_or_more(ids), self.vocab_size)
        _, likeliest = self._predict(tokens)
        return float((likeliest == tokens)[1:].mean())

    def next_probabilities(self, ids: ArrayLike) -> Floats:
        """P(token | ids) of each token of the vocabulary (V,), `ids` being what stands before; they add up to 1."""
        probabilities = np.full(self.vocab_size, 1 / self.vocab_size)
        for table, context in zip(self.tables, self._contexts(ids), strict=True):
            if context == UNSEEN:
                break
            first, last = np.searchsorted(table.keys, np.array([context, context + 1]) * self._num_symbols)
            tokens = table.keys[first:last] - context * self._num_symbols
            known = tokens < self.vocab_size  # all but the start symbol
            probabilities *= table.leftover[context]
            probabilities[tokens[known]] = table.probabilities[first:last][known]
        return probabilities

    def complete(self, ids: ArrayLike, max_new_tokens: int, stop_ids: Collection[int] = ()) -> list[int]:
        """The likeliest token after `ids`, then the likeliest after that, and so on; of equally likely ones the lowest.

        Ends after `max_new_tokens`, or with the end token or one of `stop_ids`, which is then the last given.
        """
        contexts, given = self._contexts(ids), list[int]()
        while len(given) < max_new_tokens:
            token, highest = np.zeros(1, np.int64), np.full(1, 1 / self.vocab_size)
            for table, context in zip(self.tables, contexts, strict=True):
                token, highest = _likelier(table, np.array([context]), token, highest)
            given.append(int(token[0]))
            if given[-1] == self.end_id or given[-1] in stop_ids:
                break
            contexts = self._longer(contexts, given[-1])
        return given

    @property
    def _num_symbols(self) -> int:
        return self.vocab_size + 1  # and the start symbol, whose number is vocab_size

    def _predict(self, tokens: Integers) -> tuple[Floats, Integers]:
        """Of each token (N,) its probability, and the token that would have been likeliest in its place."""
        symbols, is_token = with_starts(tokens, self.vocab_size, self.end_id, self.order)
        probability = np.full(len(symbols), 1 / self.vocab_size)
        likeliest, highest = np.zeros(len(symbols), np.int64), probability.copy()
        contexts = np.zeros(len(symbols), np.int64)
        for table in self.tables:
            rows = table.find(contexts, symbols, self._num_symbols)
            likeliest, highest = _likelier(table, contexts, likeliest, highest)
            weights = np.where(contexts == UNSEEN, 1.0, table.leftover[contexts])
            probability = np.where(rows == UNSEEN, weights * probability, table.probabilities[rows])
            contexts = rows_before(rows, is_token)
        return probability[is_token], likeliest[is_token]

    def _contexts(self, ids: ArrayLike) -> list[int]:
        """The rows of the last 0, 1, … order - 1 tokens of the document that `ids` end in, start symbols before it."""
        contexts = [0, *(len(table.keys) - 1 for table in self.tables[:-1])]  # start symbols alone: always the last row
        tokens = _checked(ids, self.vocab_size)
        for token in tokens[max(0, len(tokens) - (self.order - 1)) :].tolist():
            starts_anew = token == self.end_id
            contexts = self._contexts([]) if starts_anew else self._longer(contexts, token)
        return contexts

    def _longer(self, contexts: list[int], token: int) -> list[int]:
        longer = zip(self.tables, contexts[:-1], strict=False)
        found = [table.find(np.array([row]), np.array([token]), self._num_symbols) for table, row in longer]
        return [0, *(int(row[0]) for row in found)]


def train_ngram_model(ids: ArrayLike, vocab_size: int, end_id: int | None = None, order: int = 5) -> NgramModel:
    """Count the n-grams of ids (N,): documents one after the other, each ending with `end_id` if there is one.

    Kneser and Ney 1995; Chen and Goodman 1999, §3. The highest order counts how often an n-gram occurs, the others count how many
    different tokens stood before it. Counts of 1, 2, and 3 or more are discounted by what follows from their frequencies. Below
    single tokens, all `vocab_size` ids are equally likely. Before a document's first token stand `order` - 1 start symbols,
    which are never predicted.
    """
    if order < 1:
        raise DataError(f"order = {order}: an n-gram has at least one token, so use a whole number of at least 1")
    tokens = _checked(ids, vocab_size)
    if not len(tokens):
        raise DataError("the text has no tokens to count n-grams of: give a longer text")
    symbols, is_token = with_starts(tokens, vocab_size, end_id, order)
    # Each order's keys, and for each of its n-grams the row, one order lower, of what is left without its first token.
    keys, shorter = list[Integers](), list[Integers]()
    rows = contexts = np.zeros(len(symbols), np.int64)
    for _ in range(order):
        ending_here = rows
        sorted_keys, rows, example = distinct(contexts * (vocab_size + 1) + symbols)
        keys.append(sorted_keys)
        shorter.append(ending_here[example])
        contexts = rows_before(rows, is_token)
    counts = [np.bincount(rows[is_token], minlength=len(keys[-1]))]
    for longer_keys, without_first, fewer_keys in zip(keys[:0:-1], shorter[:0:-1], keys[-2::-1], strict=True):
        is_counted = longer_keys % (vocab_size + 1) != vocab_size
        counts.append(np.bincount(without_first[is_counted], minlength=len(fewer_keys)))
    tables = list[Table]()
    below, num_contexts = np.array([1 / vocab_size]), 1
    for place in range(order):
        lower = below[shorter[place]]
        tables.append(_estimate(keys[place], counts[-1 - place], lower, num_contexts, vocab_size))
        below, num_contexts = tables[-1].probabilities, len(keys[place])
    return NgramModel(tuple(tables), vocab_size, end_id)


def _estimate(keys: Integers, counts: Integers, lower: Floats, num_contexts: int, vocab_size: int) -> Table:
    """One order's probabilities from its counts (G,) and the next lower order's probabilities (G,) of the same tokens."""
    contexts, tokens = np.divmod(keys, vocab_size + 1)
    taken_off = np.array([0.0, *estimate_discounts(counts)])[np.minimum(counts, 3)]
    totals = np.bincount(contexts, counts, num_contexts)
    lost = np.bincount(contexts, taken_off, num_contexts)
    leftover = np.divide(lost, totals, out=np.ones(num_contexts), where=totals > 0)
    probabilities = (counts - taken_off) / totals[contexts] + leftover[contexts] * lower
    probabilities[tokens == vocab_size] = 0.0  # start symbols are given, not predicted
    first = np.flatnonzero(np.diff(contexts, prepend=-1))
    highest, likeliest = np.zeros(num_contexts), np.zeros(num_contexts, np.int64)
    highest[contexts[first]] = np.maximum.reduceat(probabilities, first)
    best = np.flatnonzero(probabilities == highest[contexts])[::-1]
    likeliest[contexts[best]] = tokens[best]  # the last assignment counts: the lowest of equally likely tokens
    return Table(keys, probabilities, leftover, likeliest, highest)


def estimate_discounts(counts: Integers) -> tuple[float, float, float]:
    """What to take off counts of 1, of 2, and of 3 or more (Chen and Goodman 1999, §3).

    1/2, 1 and 3/2 where there are too few n-grams of a kind to tell, or what follows would take off nothing or all.
    """
    _, n1, n2, n3, n4, *_ = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
    if not (n1 and n2 and n3 and n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    one, two, three = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return (one, two, three) if 0 < one < 1 and 0 < two < 2 and 0 < three < 3 else FALLBACK


def with_starts(
    tokens: Integers, vocab_size: int, end_id: int | None, order: int
) -> tuple[Integers, NDArray[np.bool_]]:
    """The tokens with order - 1 start symbols before each document, and which of them are tokens.

    >>> with_starts(np.array([5, 0, 6]), vocab_size=9, end_id=0, order=3)[0]
    array([9, 9, 5, 0, 9, 9, 6])
    """
    ends = np.zeros(0, np.int64) if end_id is None else np.flatnonzero(tokens[:-1] == end_id)
    begins = np.concatenate([[0], ends + 1])
    places = np.repeat(begins, order - 1)
    is_token = np.ones(len(tokens) + len(places), np.bool_)
    is_token[places + np.arange(len(places))] = False
    symbols = np.full(len(is_token), vocab_size, np.int64)
    symbols[is_token] = tokens
    return symbols, is_token


def rows_before(rows: Integers, is_token: NDArray[np.bool_]) -> Integers:
    """For each symbol the row of the n-gram that ends before it; before a start symbol stand start symbols, as at the beginning."""
    moved = np.empty_like(rows)
    moved[0], moved[1:] = rows[0], rows[:-1]
    moved[~is_token] = rows[0]
    return moved


def distinct(keys: Integers) -> tuple[Integers, Integers, Integers]:
    """The distinct keys in ascending order; each key's place among them; and a place where each is found.

    `numpy.unique` does the same, with a stable sort, in twice the time.
    """
    order = np.argsort(keys)
    ascending = keys[order]
    is_new = np.ones(len(keys), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_new[1:])
    places = np.empty(len(keys), np.int64)
    places[order] = np.cumsum(is_new) - 1
    return ascending[is_new], places, order[is_new]


def byte_ids(texts: Iterable[str]) -> NDArray[np.uint16]:
    """Texts as their UTF-8 bytes, each followed by `END_BYTE`: with `vocab_size` = 257, n-grams of bytes in place of tokens."""
    pieces = [np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.uint16) for text in texts]
    end = np.array([END_BYTE], np.uint16)
    return np.concatenate([part for piece in pieces for part in (piece, end)] or [np.zeros(0, np.uint16)])


def _likelier(table: Table, contexts: Integers, likeliest: Integers, highest: Floats) -> tuple[Integers, Floats]:
    """The likeliest tokens in these contexts, given those of the next shorter ones and their probabilities.

    A token that was seen in the context is among the table's. One that wasn't has its share of what is left over, so of
    these only the shorter context's likeliest can be it.
    """
    is_known = contexts != UNSEEN
    highest = np.where(is_known, table.leftover[contexts], 1.0) * highest
    own = np.where(is_known, table.highest[contexts], 0.0)
    is_likelier = (own > highest) | ((own == highest) & (table.likeliest[contexts] < likeliest))
    return np.where(is_likelier, table.likeliest[contexts], likeliest), np.where(is_likelier, own, highest)


def _checked(ids: ArrayLike, vocab_size: int) -> Integers:
    tokens = np.asarray(ids).astype(np.int64)
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        wrong = tokens.min() if tokens.min() < 0 else tokens.max()
        raise DataError(
            f"id {wrong} is not in the vocabulary of {vocab_size:,}: use the tokenizer that the model was made with"
        )
    return tokens


def _two_or_more(ids: ArrayLike) -> NDArray[np.int64]:
    tokens = np.asarray(ids)
    if len(tokens) < 2:
        raise DataError("the text has fewer than two tokens, and the first is not predicted: give a longer text")
    return tokens

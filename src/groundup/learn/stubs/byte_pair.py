"""Byte pairs: join the commonest two neighbours, again and again, and a vocabulary grows out of letters.

One round has two halves (Sennrich et al. 2016, §3.2):

- `most_common_pair(words)`: `words` says how often each word occurs; a word is a tuple of ids. Count each pair of
  neighbours within the words, a word that occurs five times five times over. The pair with the largest count; of equally
  common ones the smaller pair, as Python compares tuples. None if no word has two ids.
- `merge(ids, pair, new_id)`: the list with each occurrence of the pair, from the left, replaced by the new id. In
  [5, 5, 5] the pair (5, 5) occurs once: what has been joined is used up.

Then:  groundup learn check byte_pair
"""

from __future__ import annotations

from collections.abc import Mapping


def most_common_pair(words: Mapping[tuple[int, ...], int]) -> tuple[int, int] | None:
    """{word: how often} -> the pair of ids that stands side by side most often."""
    raise NotImplementedError


def merge(ids: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """A new list, in which `new_id` stands for each `pair`."""
    raise NotImplementedError

"""Texts of ids that begin alike, laid into one row in which what they share stands once.

The row is a tree in the order of a walk through it: each token is a node, its parent the token before it in its text, and it
may look at its ancestors and at itself. So its place is its depth, and a network with that mask gives each text the numbers
that it would have in a row of its own. Four choices after one question are read as the question and four endings.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ROW = 192  # tokens, about: longer rows make attention dear, shorter ones the products
LONGEST_TREE = 256  # tokens; beyond it the attention over what a token may not see would cost more than is shared
SHORT = 64  # tokens of a text: up to that, others beside it in its row cost less than the padding of a row of its own
WORTH_A_MASK = 0.25  # of a longer text: less in common is not worth it


@dataclass
class Tree:
    """Several texts in one row of N tokens."""

    ids: list[int] = field(default_factory=list)
    """(N,) the tokens that are read."""
    places: list[int] = field(default_factory=list)
    """(N,) how many tokens stand before each in its text."""
    texts: list[tuple[int, NDArray[np.int64]]] = field(default_factory=list)
    """The number of each text, and where each of its tokens stands in the row."""

    def add(self, number: int, ids: Sequence[int], shared: int) -> None:
        """Append what is new of a text, whose first `shared` tokens are those of the text added last."""
        before = self.texts[-1][1][:shared] if shared else np.empty(0, np.int64)
        new = np.arange(len(self.ids), len(self.ids) + len(ids) - shared)
        self.ids.extend(ids[shared:])
        self.places.extend(range(shared, len(ids)))
        self.texts.append((number, np.concatenate([before, new])))

    @property
    def has_one_branch(self) -> bool:
        """Whether it is a plain row: each of its texts is the beginning of the longest."""
        return self.places[-1] == len(self.ids) - 1

    def sees(self) -> NDArray[np.bool_]:
        """(N, N) whether the token of the row may look at that of the column."""
        seen = np.zeros((len(self.ids), len(self.ids)), dtype=bool)
        filled = 0
        for _, path in self.texts:
            new = path[path >= filled]  # the nodes that came with this text, at the path's end
            if len(new):
                seen[np.ix_(new, path[: len(path) - len(new)])] = True
                seen[np.ix_(new, new)] = np.tri(len(new), dtype=bool)
                filled = int(new[-1]) + 1
        return seen


def grow_trees(texts: Mapping[int, Sequence[int]], numbers: Sequence[int], cores: int = 1) -> Iterator[Tree]:
    """The texts of these numbers, which are sorted, in rows of about one length, as many for each of `cores`. None of them is empty.

    What begins alike stays together. Short texts fill rows whatever they share, which leaves no padding; a long one would make
    others' attention dear, and stands with those only that it shares enough with.
    """
    shares = [0, *(num_shared(texts[one], texts[other]) for one, other in itertools.pairwise(numbers))]
    new = np.array([len(texts[number]) - shared for number, shared in zip(numbers, shares, strict=True)])
    total = int(new.sum())
    rows = cores * -(-total // (cores * ROW))
    due = (np.cumsum(new) - new) * rows // max(total, 1)  # the row that each would be in, were all equally long
    tree, row = Tree(), 0
    for number, shared, its_row in zip(numbers, shares, due, strict=True):
        ids = texts[number]
        related = shared >= len(ids) * WORTH_A_MASK
        fits = len(tree.ids) + len(ids) - shared <= max(LONGEST_TREE, 2 * len(ids))
        if tree.texts and not (fits and (related or (len(ids) <= SHORT and its_row == row))):
            yield tree
            tree, shared = Tree(), 0
        if not tree.texts:
            row = its_row
        tree.add(number, ids, shared)
    if tree.texts:
        yield tree


def num_shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts have in common from their beginning on."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low

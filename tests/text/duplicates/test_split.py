from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.duplicates.exact import digest
from groundup.text.duplicates.split import held_out
from groundup.text.selection import select
from groundup.text.settings import DataSettings
from groundup.text.splits import plan_split


def digests_of(texts: list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(map(digest, texts)), np.uint8).reshape(-1, 32)


def first_of(groups: list[int]) -> NDArray[np.int64]:
    return np.array([groups.index(group) for group in groups], np.int64)


def sides(texts: list[str], groups: list[int], fraction: float) -> dict[str, bool]:
    """Text -> whether it is held out."""
    return dict(zip(texts, held_out(digests_of(texts), first_of(groups), fraction).tolist(), strict=True))


CORPUS = st.lists(st.tuples(st.integers(0, 9999).map(str), st.integers(0, 12)), unique_by=lambda pair: pair[0])
FRACTION = st.floats(0.01, 0.99)
# One lone document far down and one far up, so that neither side is ever empty and nothing is moved to fill it.
BOTH_SIDES = {
    "low": min(map(str, range(10_000, 12_000)), key=digest),
    "high": max(map(str, range(10_000, 12_000)), key=digest),
}
ANCHORS, ANCHOR_GROUPS = list(BOTH_SIDES.values()), [-1, -2]


@given(CORPUS, FRACTION)
def test_no_cluster_straddles_and_the_order_makes_no_difference(corpus: list[tuple[str, int]], fraction: float) -> None:
    texts, groups = [text for text, _ in corpus], [group for _, group in corpus]
    held = sides(texts, groups, fraction)
    assert len({(group, held[text]) for text, group in corpus}) == len(set(groups))
    assert held == sides(texts[::-1], groups[::-1], fraction)
    if len(set(groups)) > 1:
        assert set(held.values()) == {True, False}
    else:
        assert not any(held.values())


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=3), min_size=2, unique=True), FRACTION)
def test_documents_like_no_other_go_where_a_split_by_documents_puts_them(texts: list[str], fraction: float) -> None:
    settings = DataSettings("here", fraction, "documents")
    with tempfile.TemporaryDirectory() as folder:
        store = store_documents([Document(text, text, "here", "none") for text in texts], Path(folder))
        validation = list(plan_split(store, select(store, settings.duplicates), settings).validation_documents(store))
    held = sides(texts, list(range(len(texts))), fraction)
    assert [text for text in texts if held[text]] == [document.text for document in validation]


@given(CORPUS, CORPUS, st.dictionaries(st.integers(0, 12), st.integers(0, 12)), FRACTION)
def test_what_moves_when_documents_are_added(
    corpus: list[tuple[str, int]], added: list[tuple[str, int]], merged: dict[int, int], fraction: float
) -> None:
    """`added` documents join clusters or begin new ones, and `merged` clusters become one with another."""
    fraction = min(max(fraction, 0.01), 0.99)
    texts, groups = [text for text, _ in corpus], [group for _, group in corpus]
    before = sides([*texts, *ANCHORS], [*groups, *ANCHOR_GROUPS], fraction)
    new = [(text, group) for text, group in added if text not in before]
    all_texts = [*(text for text, _ in new), *texts]
    all_groups = [merged.get(group, group) for group in [*(group for _, group in new), *groups]]
    after = sides([*all_texts, *ANCHORS], [*all_groups, *ANCHOR_GROUPS], fraction)

    def members(names: list[str], of: list[int], group: int) -> set[str]:
        return {name for name, its in zip(names, of, strict=True) if its == group}

    for text, group in corpus:
        now = all_groups[all_texts.index(text)]
        if before[text]:
            assert after[text], "a document held out stays held out"
        elif members(all_texts, all_groups, now) == members(texts, groups, group):
            assert not after[text], "a document whose cluster stays as it was stays where it was"
        elif after[text]:
            joined = members(all_texts, all_groups, now) - members(texts, groups, group)
            assert any(int.from_bytes(digest(other)[:8], "big") / 2**64 < fraction for other in joined)


def test_the_share_of_clusters_held_out_is_as_stated() -> None:
    texts = [str(number) for number in range(6000)]
    pairs = held_out(digests_of(texts), np.arange(6000) // 2 * 2, 0.1)
    assert abs(pairs.mean() - 0.19) < 4 * (0.19 * 0.81 / 3000) ** 0.5

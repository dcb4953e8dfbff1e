from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from groundup.text.duplicates import clusters
from groundup.text.duplicates.clusters import near_duplicates
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import NO_WORDS, open_signatures

SMALL = DuplicateSettings(threshold=0.5, num_permutations=8)


def brute_force(signatures: NDArray[np.uint32], settings: DuplicateSettings, joined: list[int]) -> list[int]:
    """Compare every pair, join what is linked, until nothing changes."""
    cluster = list(joined)
    rows = settings.rows
    first_of_its_text = [index for index, first in enumerate(joined) if index == first]
    linked = []
    for left in first_of_its_text:
        for right in first_of_its_text:
            one, other = signatures[left], signatures[right]
            if left < right and (one != NO_WORDS).any() and (other != NO_WORDS).any():
                banded = any(
                    (one[band * rows :][:rows] == other[band * rows :][:rows]).all() for band in range(settings.bands)
                )
                if banded and (one == other).mean() >= settings.threshold:
                    linked.append((left, right))
    for _ in signatures:
        for left, right in linked:
            least = min(cluster[left], cluster[right])
            cluster = [least if value in (cluster[left], cluster[right]) else value for value in cluster]
    return cluster


@st.composite
def many_signatures(draw: st.DrawFn) -> NDArray[np.uint32]:
    number = st.integers(0, 2) | st.just(int(NO_WORDS))
    drawn = draw(st.lists(st.lists(number, min_size=8, max_size=8), max_size=25))
    return np.array(drawn, np.uint32).reshape(-1, 8)


@given(many_signatures(), st.sampled_from([0.3, 0.5, 0.75, 1.0]), st.data())
def test_clusters_are_those_of_comparing_every_pair(
    signatures: NDArray[np.uint32], threshold: float, data: st.DataObject
) -> None:
    settings = DuplicateSettings(threshold=threshold, num_permutations=8)
    joined = list(range(len(signatures)))
    assert near_duplicates(signatures, settings).tolist() == brute_force(signatures, settings, joined)
    for index in range(len(signatures)):
        joined[index] = data.draw(st.sampled_from([index, *set(joined[:index])]))
    found = near_duplicates(signatures, settings, np.array(joined, np.int64)).tolist()
    assert found == brute_force(signatures, settings, joined)


def test_a_chain_is_one_cluster_named_by_its_first() -> None:
    chain = np.array([[9] * 8, [1, 1, 1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2, 2, 2], [1, 1, 2, 2, 2, 2, 2, 2]], np.uint32)
    settings = DuplicateSettings(threshold=0.75, num_permutations=8)
    assert (chain[1] == chain[3]).mean() < 0.75
    assert near_duplicates(chain, settings).tolist() == [0, 1, 1, 1]


def test_not_only_the_first_of_a_bucket_is_compared() -> None:
    signatures = np.array(
        [
            [1, 1, 9, 9, 9, 9, 9, 9],  # in the first band's bucket with the last two, and unlike them
            [8, 8, 1, 1, 8, 8, 8, 8],  # so in the second band's
            [1, 1, 1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 2, 1, 2],  # like the one before, by six of eight
        ],
        np.uint32,
    )
    settings = DuplicateSettings(threshold=0.75, num_permutations=8)
    assert settings.rows == 2
    assert near_duplicates(signatures, settings).tolist() == [0, 1, 2, 2]


def test_a_band_alone_drops_nothing() -> None:
    pair = np.array([[1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2, 2]], np.uint32)
    assert SMALL.rows == 1  # so three of eight bands agree, but an estimate of 3/8 is below the threshold of 1/2
    assert near_duplicates(pair, SMALL).tolist() == [0, 1]
    pair[1, 3] = 1
    assert near_duplicates(pair, SMALL).tolist() == [0, 0]


def test_texts_without_words_are_like_no_other() -> None:
    assert near_duplicates(np.full((5, 8), NO_WORDS, np.uint32), SMALL).tolist() == [0, 1, 2, 3, 4]


def test_no_documents() -> None:
    assert near_duplicates(np.empty((0, 8), np.uint32), SMALL).tolist() == []


def test_a_huge_bucket_of_unlike_documents_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LEADERS", 3)
    rows = SMALL.rows
    signatures = np.arange(400 * 8, dtype=np.uint32).reshape(-1, 8)
    signatures[:, :rows] = 7  # all in one bucket, none alike
    signatures[200] = signatures[2]  # among the first three
    signatures[201] = signatures[3]  # beyond them, yet the other bands find it
    expected = list(range(400))
    expected[200], expected[201] = 2, 3
    assert near_duplicates(signatures, SMALL).tolist() == expected


def test_a_mapped_file_and_pieces_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    originals = rng.integers(0, 2**32, (300, 112), dtype=np.uint32)
    copies = originals[rng.integers(0, 300, 700)]
    copies[rng.random(copies.shape) < 0.12] = 5
    signatures = np.concatenate([originals, copies])
    (tmp_path / "all").write_bytes(signatures.tobytes())
    settings = DuplicateSettings()
    found = near_duplicates(signatures, settings)
    assert 500 < (found != np.arange(1000)).sum() <= 700
    monkeypatch.setattr(clusters, "DOCUMENTS_TOGETHER", 64)
    monkeypatch.setattr(clusters, "PAIRS_TOGETHER", 10)
    assert near_duplicates(open_signatures(tmp_path / "all", settings), settings).tolist() == found.tolist()

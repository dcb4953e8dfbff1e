"""Stores of marked rows: what was written comes back, and what was damaged is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundup.errors import DataError
from groundup.tokens.example_store import ExampleStore, Row, write_examples

ROWS = [Row([~5, ~6, 7, 8], 10, True), Row([~5, 9], 2, False), Row([~1, ~2, ~3], 0, False), Row([~4, 0], 1, True)]


def test_rows_come_back(tmp_path: Path) -> None:
    store = write_examples(tmp_path / "train.examples", iter(ROWS))
    assert len(store) == 4
    assert [store.row(number).tolist() for number in range(4)] == [list(row.ids) for row in ROWS]
    assert store.learned.tolist() == [2, 1, 0, 1]  # id 0 is a token as any other
    assert store.lengths.tolist() == [4, 2, 3, 2]
    assert store.text_bytes.tolist() == [10, 2, 0, 1]
    assert store.stop_learned.tolist() == [True, False, False, True]
    assert store.teaching.tolist() == store.taught.tolist() == [0, 1, 3]
    assert store.ids.dtype == np.int32
    opened = ExampleStore.open(store.path, verify=True)
    assert opened.sha256 == store.sha256
    again = write_examples(tmp_path / "again.examples", opened.rows(np.array([1, 3])))
    assert [again.row(number).tolist() for number in range(2)] == [[~5, 9], [~4, 0]]
    assert (again.text_bytes.tolist(), again.stop_learned.tolist()) == ([2, 1], [False, True])


def test_a_pair_is_two_rows_and_teaches_if_both_do(tmp_path: Path) -> None:
    pairs = write_examples(tmp_path / "pairs.examples", ROWS, width=2)
    assert len(pairs) == 2
    assert [row.tolist() for row in pairs.rows_of(1)] == [[~1, ~2, ~3], [~4, 0]]
    assert pairs.example_lengths.tolist() == [4, 3]
    assert pairs.teaching.tolist() == [0]
    assert pairs.sha256 != write_examples(tmp_path / "rows.examples", ROWS).sha256


def test_a_store_in_which_nothing_is_learned_is_read_all_the_same(tmp_path: Path) -> None:
    store = write_examples(tmp_path / "train.examples", [ROWS[2]] * 2)
    assert (store.teaching.tolist(), store.taught.tolist()) == ([], [0, 1])
    empty = write_examples(tmp_path / "empty.examples", [])
    assert (len(empty), empty.taught.tolist(), empty.example_lengths.tolist()) == (0, [], [])


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("train.examples", b"\x07\0\0\0", b"\x06\0\0\0", "is damaged"),
        ("train.rows", b"width", b"wodth", "has a damaged header"),
        ("train.rows", b'"width": 1', b'"width": 3', "does not belong to train.examples"),
        ("train.rows", b'"width": 1', b'"width": 0', "has a damaged header"),
    ],
)
def test_damage_is_told(tmp_path: Path, file: str, old: bytes, new: bytes, message: str) -> None:
    store = write_examples(tmp_path / "train.examples", ROWS)
    content = (tmp_path / file).read_bytes()
    assert old in content
    (tmp_path / file).write_bytes(content.replace(old, new))
    with pytest.raises(DataError, match=message):
        ExampleStore.open(store.path, verify=True)


def test_rows_of_other_ids_are_told(tmp_path: Path) -> None:
    store = write_examples(tmp_path / "train.examples", ROWS)
    other = write_examples(tmp_path / "other.examples", ROWS[1:])
    (tmp_path / "train.rows").write_bytes((tmp_path / "other.rows").read_bytes())
    with pytest.raises(DataError, match=r"does not belong to train\.examples"):
        ExampleStore.open(store.path, verify=True)
    other.path.with_suffix(".rows").unlink()
    with pytest.raises(DataError, match=r"other\.rows cannot be read"):
        ExampleStore.open(other.path, verify=True)

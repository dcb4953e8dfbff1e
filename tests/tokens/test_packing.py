"""Best-fit packing: cases worked by hand, a plain reference, and that every token is predicted once, from its own document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.order import Group
from groundup.tokens.packing import BEGIN, PackedRows, best_fit, cut_documents, pack
from groundup.tokens.plan import SamplePlan, Windows, cut_rows, make_plan, training_batch

END, PAD = 0, 9
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def documents(lengths: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids in which every token tells where it stands, but for end tokens; and where the documents end."""
    ends = np.cumsum(lengths)
    ids = np.arange(1000, 1000 + int(ends[-1]))
    ids[ends - 1] = END
    return ids, ends


def everything(
    rows: PackedRows, ids: NDArray[np.int64], length: int, ends: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    numbers = np.arange(len(rows))
    return rows.read(ids, numbers, np.zeros_like(numbers), length, ends)


def test_documents_cut_by_hand() -> None:
    # T = 4, documents of 3, 4, 9 and 1 tokens: the third becomes 4 + 4 + 1.
    pieces = cut_documents(np.array([3, 7, 16, 17]), 4)
    assert pieces.tolist() == [[0, 3, 0], [3, 4, 0], [7, 4, 0], [11, 4, 1], [15, 1, 1], [16, 1, 0]]
    assert cut_documents(np.array([7, 16]), 4, begin=3).tolist() == [[3, 4, 0], [7, 4, 0], [11, 4, 1], [15, 1, 1]]
    assert cut_documents(np.zeros(0, np.int64), 4).shape == (0, 3)


def test_best_fit_by_hand() -> None:
    # Room 10. 7, 6 open a row each (3 and 4 left); 4 goes where 4 is left; 3 where 3 is left; 2 opens a third.
    assert best_fit(np.array([3, 7, 4, 2, 6]), 10).tolist() == [0, 0, 1, 2, 1]
    # 5, 5, 5: two share a row, for after the first its 5 are the least room that holds another.
    assert best_fit(np.array([5, 5, 5]), 10).tolist() == [0, 0, 1]


def plainly(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best-fit decreasing, one piece after the other, as a textbook has it."""
    rows: list[list[int]] = []
    for length in sorted(lengths, reverse=True):
        fitting = [row for row in rows if sum(row) + length <= capacity]
        if fitting:
            max(fitting, key=sum).append(length)
        else:
            rows.append([length])
    return rows


@given(st.lists(st.integers(1, 30), max_size=120), st.integers(30, 60))
def test_best_fit_is_the_plain_algorithm(lengths: list[int], capacity: int) -> None:
    rows_of = best_fit(np.array(lengths, np.int64), capacity)
    rooms = [capacity - sum(row) for row in plainly(lengths, capacity)]
    found = np.bincount(rows_of, weights=lengths) if lengths else np.zeros(0)
    assert sorted(capacity - found.astype(int)) == sorted(rooms)


def test_rows_by_hand() -> None:
    # T = 6: documents a b END | c d e f g h i END | j END. The second is cut after h: its piece of 2 needs 3 places.
    ids = np.array([11, 12, END, 21, 22, 23, 24, 25, 26, 27, END, 31, END])
    ends = np.array([3, 11, 13])
    rows = pack(cut_documents(ends, 6), 6, PAD)
    assert everything(rows, ids, 6).tolist() == [
        [END, 21, 22, 23, 24, 25, 26],
        [26, 27, END, 11, 12, END, ~PAD],  # goes on with the second document; the first is opened by its end
        [END, 31, END, ~PAD, ~PAD, ~PAD, ~PAD],
    ]
    segments = everything(rows, ids, 6, ends)[:, 1]
    assert segments[1, :6].tolist() == [segments[1, 0]] * 2 + [segments[1, 2]] * 3 + [-1]
    assert segments[1, 0] != segments[1, 2]


def test_two_pieces_that_go_on_share_a_row() -> None:
    ids = np.array([11, 12, 13, 14, 15, END, 21, 22, 23, 24, 25, END])  # T = 5: both are cut before their end
    rows = pack(cut_documents(np.array([6, 12]), 5), 5, PAD)
    batch = everything(rows, ids, 5)
    assert batch[2].tolist() == [15, END, ~25, END, ~PAD, ~PAD]  # 25 is read and not predicted, for it was


@settings(max_examples=200)
@given(LENGTHS, st.integers(1, 12))
def test_every_token_is_predicted_once_from_its_own_document(lengths: list[int], length: int) -> None:
    ids, ends = documents(lengths)
    rows = pack(cut_documents(ends, length), length, PAD)
    numbered = np.arange(len(ids)) + 1000  # in place of end tokens, their places
    batch = everything(rows, numbered, length, ends)
    assert batch.shape == (len(rows), 2, length + 1)
    tokens, segments = batch[:, 0], batch[:, 1]
    targets = tokens[:, 1:]
    assert sorted(targets[targets >= 0].tolist()) == numbered.tolist()
    document_of = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    before = {place: place - 1 for place in numbered.tolist()} | {1000: numbered[-1]}
    for row, own in zip(np.where(tokens < 0, ~tokens, tokens).tolist(), segments.tolist(), strict=True):
        for place in range(length):
            if own[place] == -1:
                continue
            seen = [row[other] for other in range(place + 1) if own[other] == own[place]]
            target = row[place + 1]
            first = target - len(seen) + 1
            assert seen[1:] == list(range(first, target))  # its own document without a gap, …
            opens = first == 1000 or document_of[first - 1001] != document_of[first - 1000]
            if opens:  # … opened by an end token, whichever document's that was
                assert ids[seen[0] - 1000] == END
            else:
                assert seen[0] == before[first]
            assert len({document_of[token - 1000] for token in [*seen[1:], target]}) == 1


@given(LENGTHS, st.integers(1, 12))
def test_no_room_is_left_that_another_row_would_fill(lengths: list[int], length: int) -> None:
    ids, ends = documents(lengths)
    rows = pack(cut_documents(ends, length), length, PAD)
    used = np.sort((everything(rows, ids, length)[:, 1:] != ~PAD).sum(axis=1))
    # A piece that goes on with a document counts one more than it takes when it is the first of its row.
    assert len(used) < 2 or used[0] + used[1] > length - 2


def test_batches_are_the_same_however_they_are_divided() -> None:
    ids, ends = documents([5, 30, 2, 7, 19, 1, 1, 8, 4, 4, 13])
    packed = pack(cut_documents(ends, 8), 8, PAD)
    plan = SamplePlan(8, packed, (Group(0, len(packed), len(packed), 0),))
    whole = training_batch(ids, plan, 3, 5, 6, ends)
    parts = [training_batch(ids, plan, 3, 15 + part, 2, ends) for part in range(3)]
    assert (np.concatenate(parts) == whole).all()
    epoch = training_batch(ids, plan, 3, 0, len(packed))
    assert sorted(map(tuple, epoch.tolist())) == sorted(map(tuple, everything(packed, ids, 8).tolist()))
    halves = cut_rows(whole, 2)
    assert halves.shape == (12, 2, 5)
    assert (halves[0] == whole[0, :, :5]).all()
    assert (halves[1] == whole[0, :, 4:]).all()


def test_a_plan_of_packed_rows_comes_back(tmp_path: Path) -> None:
    _, ends = documents([5, 30, 2, 7])
    packed = pack(cut_documents(ends, 8), 8, PAD)
    plan = SamplePlan(8, packed, (Group(0, 3, 3, 0), Group(3, len(packed) - 3, 7, 0)))
    plan.save(tmp_path / "plan")
    opened = SamplePlan.open(tmp_path / "plan", verify=True)
    assert opened.sha256 == plan.sha256
    assert opened.groups == plan.groups
    assert isinstance(opened.rows, PackedRows)
    assert opened.rows.first_piece.tolist() == packed.first_piece.tolist()
    assert opened.rows.pieces.tolist() == packed.pieces.tolist()
    assert opened.rows.padding_id == PAD
    content = (tmp_path / "plan").read_bytes()
    (tmp_path / "plan").write_bytes(content.replace(b"padding_id", b"padding_ix"))
    with pytest.raises(DataError, match="has a damaged header"):
        SamplePlan.open(tmp_path / "plan", verify=True)


def test_hashes_tell_packed_plans_apart() -> None:
    _, ends = documents([5, 30, 2, 7])
    packed = pack(cut_documents(ends, 8), 8, PAD)
    groups = (Group(0, len(packed), len(packed), 0),)
    moved = packed.pieces.copy()
    moved[0, BEGIN] += 1
    plans = [
        SamplePlan(8, packed, groups),
        SamplePlan(8, pack(cut_documents(ends, 8), 8, 1), groups),
        SamplePlan(8, packed, (Group(0, len(packed), 2, 0),)),
        SamplePlan(8, PackedRows(packed.first_piece, moved, PAD), groups),
    ]
    assert len({plan.sha256 for plan in plans}) == len(plans)


def test_the_hash_of_plain_windows_stays_what_it_was() -> None:
    """Runs begun by an earlier version are gone on with: their manifests hold these."""
    assert make_plan(100, 8).sha256 == "d66251594db2fbe66271debb9cc60358a31ffae9d60797560b9087aa50069cd2"
    assert make_plan(5, 4).sha256 == "e9bb18173892d8204c6a43d657975dcb2359054f0fb0958b6cb09abccdf30c01"


def test_windows_know_the_document_of_what_each_token_predicts() -> None:
    ids, ends = np.array([11, 12, END, 21, END, 31, 32, END]), np.array([3, 5, 8])
    rows = Windows(np.array([0])).read(ids, np.array([0]), np.array([1]), 6, ends)
    assert rows[0, 0].tolist() == [12, END, 21, END, 31, 32, END]
    assert rows[0, 1].tolist() == [0, 1, 1, 2, 2, 2, 3]  # each end token opens the document after it

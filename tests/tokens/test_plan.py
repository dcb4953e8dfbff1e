from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokens.plan import cut_rows, make_plan, training_batch, validation_windows

LENGTHS = st.integers(1, 20)


def test_a_plan_by_hand() -> None:
    # 20 tokens, T = 4: windows of 5 begin at 0, 4, 8 and may move right by up to 19 - 12 = 7, to end on the last token.
    plan = make_plan(20, 4)
    assert plan.rows.table()[0].tolist() == [0, 4, 8]
    assert plan.groups[0].max_shift == 7
    assert make_plan(5, 4).rows.table()[0].tolist() == [0]
    assert make_plan(5, 4).groups[0].max_shift == 0
    assert make_plan(9, 4).groups[0].max_shift == 4


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 300))
def test_windows_stay_within_the_text(sequence_length: int, extra: int) -> None:
    num_tokens = sequence_length + extra
    plan = make_plan(num_tokens, sequence_length)
    assert plan.num_rows == max(1, (num_tokens - 1) // sequence_length - 1)
    assert plan.rows.table()[0][-1] + plan.groups[0].max_shift + sequence_length == num_tokens - 1
    if plan.num_rows > 1:
        assert sequence_length <= plan.groups[0].max_shift < 2 * sequence_length


@given(LENGTHS, st.integers(1, 200), st.integers(0, 2**63), st.integers(0, 5), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_an_epoch_shows_each_window_once(
    sequence_length: int, extra: int, seed: int, epoch: int, batch_size: int
) -> None:
    num_tokens = sequence_length + extra
    ids = np.arange(num_tokens, dtype=np.uint16)  # each token tells where it lies
    plan = make_plan(num_tokens, sequence_length)
    first, last = epoch * plan.num_rows, (epoch + 1) * plan.num_rows
    steps = range(first // batch_size, -(-last // batch_size))
    samples = np.concatenate([training_batch(ids, plan, seed, step, batch_size) for step in steps])
    samples = samples[first - steps.start * batch_size :][: plan.num_rows]
    assert samples.dtype == np.int64
    assert samples.shape == (plan.num_rows, sequence_length + 1)
    assert (np.diff(samples, axis=1) == 1).all()
    starts = np.sort(samples[:, 0])
    shift = int(starts[0])
    assert 0 <= shift <= plan.groups[0].max_shift
    assert (starts - shift == plan.rows.table()[0]).all()


@settings(deadline=None)
@given(st.integers(0, 2**63), st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
def test_a_batch_is_the_same_however_it_is_divided(seed: int, step: int, ranks: int, rows: int) -> None:
    ids = np.arange(500, dtype=np.uint16)
    plan = make_plan(500, 8)
    whole = training_batch(ids, plan, seed, step, ranks * rows)
    parts = [training_batch(ids, plan, seed, step * ranks + rank, rows) for rank in range(ranks)]
    assert (np.concatenate(parts) == whole).all()
    other = training_batch(ids, plan, seed, step + 7, ranks * rows)  # nothing in between matters
    assert other.shape == whole.shape
    assert (training_batch(ids, plan, seed, step, ranks * rows) == whole).all()


def test_order_and_shift_follow_from_the_seed_for_good() -> None:
    """Written down, so that a run can be replayed with another version of numpy: its raw streams never change."""
    ids = np.arange(500, dtype=np.uint16)
    plan = make_plan(500, 8)
    assert plan.num_rows == 61
    assert training_batch(ids, plan, seed=1, step=0, batch_size=4)[:, 0].tolist() == [18, 330, 162, 154]
    assert training_batch(ids, plan, seed=1, step=61, batch_size=4)[:, 0].tolist() == [152, 80, 480, 184]
    assert training_batch(ids, plan, seed=2, step=0, batch_size=4)[:, 0].tolist() != [18, 330, 162, 154]


def test_a_batch_may_span_many_epochs() -> None:
    ids = np.arange(20, dtype=np.uint16)
    plan = make_plan(20, 4)  # 3 windows
    batch = training_batch(ids, plan, seed=5, step=0, batch_size=30)
    for epoch in range(10):
        starts = np.sort(batch[3 * epoch : 3 * epoch + 3, 0])
        assert (starts - starts[0] == [0, 4, 8]).all()
    assert len({int(np.min(batch[3 * epoch : 3 * epoch + 3, 0])) for epoch in range(10)}) > 3  # the shifts differ


def test_orders_and_shifts_are_fair() -> None:
    ids = np.arange(20, dtype=np.uint16)
    plan = make_plan(20, 4)  # 3 windows, 8 shifts
    batch = training_batch(ids, plan, seed=9, step=0, batch_size=3 * 2400).reshape(2400, 3, 5)[:, :, 0]
    _, shifts = np.unique(batch.min(axis=1), return_counts=True)
    _, orders = np.unique(batch - batch.min(axis=1, keepdims=True), axis=0, return_counts=True)
    assert len(shifts) == 8
    assert abs(shifts - 300).max() < 80  # 300 expected each, standard deviation 16
    assert len(orders) == 6
    assert abs(orders - 400).max() < 90  # 400 expected each, standard deviation 18


def test_hashes_tell_plans_apart() -> None:
    assert make_plan(100, 8).sha256 == make_plan(100, 8).sha256
    assert len({make_plan(100, 8).sha256, make_plan(101, 8).sha256, make_plan(100, 9).sha256}) == 3


def test_validation_windows_by_hand() -> None:
    # 10 tokens, T = 4: tokens 1-4 from 0-3, 5-8 from 4-7, 9 from 8.
    assert validation_windows(10, 4).tolist() == [[0, 4], [4, 8], [8, 9]]
    assert validation_windows(9, 4).tolist() == [[0, 4], [4, 8]]
    assert validation_windows(2, 4).tolist() == [[0, 1]]
    assert validation_windows(1, 4).shape == (0, 2)
    assert validation_windows(0, 4).shape == (0, 2)


@settings(deadline=None)
@given(st.integers(0, 400), LENGTHS)
def test_every_token_but_the_first_is_predicted_once(num_tokens: int, sequence_length: int) -> None:
    windows = validation_windows(num_tokens, sequence_length)
    predicted = [token for start, end in windows for token in range(start + 1, end + 1)]
    assert predicted == list(range(1, num_tokens))
    assert all(1 <= end - start <= sequence_length for start, end in windows)


@settings(deadline=None)
@given(st.integers(2, 400), LENGTHS, st.integers(1, 500))
def test_a_part_of_the_windows_is_spread_evenly(num_tokens: int, sequence_length: int, max_tokens: int) -> None:
    everything = validation_windows(num_tokens, sequence_length).tolist()
    windows = validation_windows(num_tokens, sequence_length, max_tokens).tolist()
    assert all(window in everything for window in windows)
    total = sum(end - start for start, end in windows)
    assert total <= max(max_tokens, sequence_length)
    if max_tokens >= num_tokens - 1:
        assert windows == everything
    else:
        assert len(windows) == max(1, max_tokens // sequence_length)
        gaps = np.diff([start for start, _ in windows]) // sequence_length
        assert gaps.size == 0 or (gaps.min() >= 1 and gaps.max() - gaps.min() <= 1)


def test_rows_cut_by_hand() -> None:
    batch = np.arange(18).reshape(2, 9)
    assert cut_rows(batch).tolist() == [
        [0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8], [9, 10, 11], [11, 12, 13], [13, 14, 15], [15, 16, 17],
    ]  # fmt: skip
    assert cut_rows(np.arange(8)[None]).tolist() == [list(range(8))]  # 7 predictions divide by no number up to 4
    assert cut_rows(np.arange(7)[None]).tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]


@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 6))
def test_cut_rows_predict_each_token_once_from_the_one_before(rows: int, length: int, pieces: int) -> None:
    batch = np.arange(rows * (length + 1)).reshape(rows, length + 1)
    cut = cut_rows(batch, pieces)
    assert cut[:, 1:].ravel().tolist() == batch[:, 1:].ravel().tolist()
    assert cut[:, :-1].ravel().tolist() == batch[:, :-1].ravel().tolist()
    assert len(cut) // rows == max(count for count in range(1, pieces + 1) if length % count == 0)

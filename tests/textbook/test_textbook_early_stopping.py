"""The textbook's early stopping is the formula's, on any losses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from groundup.textbook.early_stopping import best_so_far, out_of_patience


@given(st.lists(st.floats(0, 9), min_size=1, max_size=12), st.integers(1, 4))
def test_it_stops_after_so_many_measurements_without_a_new_best(losses: list[float], patience: int) -> None:
    latest = losses[-patience:]
    before = losses[:-patience]
    nothing_better = bool(before) and min(before) <= min(latest)
    assert out_of_patience(losses, patience) is nothing_better
    assert losses.index(min(losses)) == best_so_far(losses)


def test_without_patience_it_never_stops() -> None:
    assert not out_of_patience([1.0, *[2.0] * 50], patience=0)

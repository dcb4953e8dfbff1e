"""Rows of one document each: cases worked by hand, every token once an epoch, and batches that hold what is of like length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from groundup.errors import DataError, SettingError
from groundup.recipe.settings import load_recipe
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.settings import DataSettings
from groundup.tokens.length_buckets import BLOCK_BATCHES, DocumentRows
from groundup.tokens.mixture import describe
from groundup.tokens.order import Group, sample_rows
from groundup.tokens.packing import LENGTH, cut_documents
from groundup.tokens.plan import SamplePlan, make_plan, training_batch
from groundup.tokens.prepare import prepare
from groundup.tokens.settings import TokenizerSettings

END, PAD = 0, 9


def plan_of(lengths: list[int], sequence_length: int, batch_size: int) -> SamplePlan:
    rows = DocumentRows(cut_documents(np.cumsum(lengths), sequence_length), PAD, batch_size)
    return SamplePlan(sequence_length, rows, (Group(0, len(rows), len(rows), 0),))


def lengths_of(batch: NDArray[np.int64]) -> list[int]:
    found: list[int] = (batch[:, 1:] >= 0).sum(axis=1).tolist()
    return found


def test_rows_by_hand() -> None:
    # T = 4: documents a b END | c d e f g h END | j END. The second is cut after f.
    ids = np.array([11, 12, END, 21, 22, 23, 24, 25, 26, END, 31, END], np.uint16)
    rows = DocumentRows(cut_documents(np.array([3, 10, 12]), 4), PAD, 4)
    whole = rows.read(ids, np.arange(4), np.zeros(4, np.int64), 4, None)
    assert whole.tolist() == [
        [END, 11, 12, END, ~PAD],
        [END, 21, 22, 23, 24],
        [24, 25, 26, END, ~PAD],
        [END, 31, END, ~PAD, ~PAD],
    ]
    narrow = rows.read(ids, np.array([3, 0]), np.zeros(2, np.int64), 4, np.array([3, 10, 12]))
    assert narrow.tolist() == [[END, 31, END, ~PAD], [END, 11, 12, END]]  # as wide as the longest, and ids alone


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 30), min_size=6, max_size=50),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(0, 2**31 - 1),
)
def test_each_epoch_predicts_every_token_once(
    lengths: list[int], sequence_length: int, batch_size: int, seed: int
) -> None:
    plan, ids = plan_of(lengths, sequence_length, batch_size), np.arange(sum(lengths))
    epochs = 3
    steps = -(-epochs * plan.num_rows // batch_size)
    rows: list[list[int]] = []
    for step in range(steps):
        batch = training_batch(ids, plan, seed, step, batch_size)
        assert batch.shape == (batch_size, max(lengths_of(batch)) + 1)
        rows += [row[row >= 0].tolist() for row in batch]
    for epoch in range(epochs):
        here = rows[epoch * plan.num_rows : (epoch + 1) * plan.num_rows]
        assert sorted(token for row in here for token in row[1:]) == ids.tolist()
    assert all(row[1:] == list(range(row[1], row[-1] + 1)) for row in rows)
    assert all(row[0] == (row[1] - 1) % len(ids) for row in rows)  # predicted from what stands before


def test_a_block_is_what_was_drawn_sorted_and_its_batches_shuffled() -> None:
    generator = np.random.default_rng(5)
    plan, batch_size = plan_of(generator.integers(1, 40, 1003).tolist(), 32, 4), 4
    assert isinstance(plan.rows, DocumentRows)
    rows_an_epoch = plan.num_rows
    second = -(-rows_an_epoch // batch_size)  # the first batch that lies in the second epoch whole
    for begin in (0, BLOCK_BATCHES, second):
        samples = np.arange(begin * batch_size, (begin + BLOCK_BATCHES) * batch_size)
        rows = plan.rows.order(plan.groups, 3, samples).reshape(BLOCK_BATCHES, batch_size)
        drawn, _ = sample_rows(plan.groups, 3, samples)
        assert sorted(rows.ravel().tolist()) == sorted(drawn.tolist())
        lengths = plan.rows.pieces[rows, LENGTH]
        shortest, longest = lengths.min(axis=1), lengths.max(axis=1)
        rising = np.lexsort([shortest, longest])
        assert (longest[rising][:-1] <= shortest[rising][1:]).all()  # no two batches' lengths overlap
        assert abs(np.corrcoef(np.arange(BLOCK_BATCHES), longest)[0, 1]) < 0.4  # and they don't come by length
    between = np.arange(rows_an_epoch // batch_size * batch_size, second * batch_size)
    assert len(between) == batch_size
    assert (plan.rows.order(plan.groups, 3, between) == sample_rows(plan.groups, 3, between)[0]).all()


def test_the_order_follows_from_the_seed_for_good() -> None:
    """Written down, so that a run can be replayed with another version of numpy."""
    plan = plan_of([5, 30, 2, 7, 19, 1, 1, 8, 4, 4, 13], 8, 3)
    assert isinstance(plan.rows, DocumentRows)
    assert plan.num_rows == 17
    assert plan.rows.order(plan.groups, 1, np.arange(9)).tolist() == [2, 1, 12, 11, 10, 5, 13, 14, 0]
    assert plan.rows.order(plan.groups, 1, np.arange(300, 303)).tolist() == [2, 7, 12]
    assert plan.sha256 == "beb80fcdb77ceed396c84037c121b25ff3739380e94c7de49cad130f31b5355f"


def test_parts_of_a_batch_are_its_rows() -> None:
    lengths = [5, 30, 2, 7, 19, 1, 1, 8, 4, 4, 13, 9]
    plan, ids = plan_of(lengths, 8, 6), np.arange(sum(lengths))
    whole = training_batch(ids, plan, 3, 5, 6)
    for part in range(3):  # as wide as they must be, which may be less than the whole
        rows = training_batch(ids, plan, 3, 15 + part, 2)
        assert (whole[2 * part : 2 * part + 2, : rows.shape[1]] == rows).all()
        assert (whole[2 * part : 2 * part + 2, rows.shape[1] :] == ~PAD).all()


def test_a_plan_comes_back_and_its_hash_tells_batch_sizes_apart(tmp_path: Path) -> None:
    lengths = [5, 30, 2, 7]
    plan = plan_of(lengths, 8, 3)
    plan.save(tmp_path / "plan")
    opened = SamplePlan.open(tmp_path / "plan", verify=True)
    assert (opened.sha256, opened.groups, opened.rows.kind) == (plan.sha256, plan.groups, "documents")
    ids = np.arange(sum(lengths))
    assert (training_batch(ids, opened, 2, 4, 3) == training_batch(ids, plan, 2, 4, 3)).all()
    assert len({plan_of(lengths, 8, size).sha256 for size in (1, 2, 3)} | {make_plan(44, 8).sha256}) == 4
    (tmp_path / "plan").write_bytes((tmp_path / "plan").read_bytes().replace(b"batch_size", b"batch_sizf"))
    with pytest.raises(DataError, match="has a damaged header"):
        SamplePlan.open(tmp_path / "plan", verify=True)


def test_padding_is_told_and_much_less_than_without_buckets(tmp_path: Path) -> None:
    lengths = np.random.default_rng(1).integers(1, 60, 300).tolist()
    documents = [Document(str(number), "x" * length, "texts", "unknown") for number, length in enumerate(lengths)]
    store = store_documents(documents, tmp_path / "store")
    data = DataSettings(split="documents", packing="documents", document_attention="own")

    def of(batch_size: int, asked: DataSettings = data) -> tuple[str, SamplePlan, dict[str, float]]:
        found = prepare(store, asked, TokenizerSettings(), 32, batch_size, tmp_path / "cache", lambda line: None)
        return found.directory.name, found.plan, dict(found.facts.get("packing", {}))

    name, plan, facts = of(8)
    ids = np.zeros(sum(lengths) + 1000, np.uint16)
    batches = [training_batch(ids, plan, 0, step, 8) for step in range(plan.num_rows // 8)]
    padding = sum(int((batch[:, 1:] < 0).sum()) for batch in batches)
    share = padding / sum(batch[:, 1:].size for batch in batches)
    assert facts["padding_share"] == pytest.approx(share)
    assert isinstance(plan.rows, DocumentRows)
    drawn = plan.rows.pieces[sample_rows(plan.groups, 0, np.arange(plan.num_rows // 8 * 8))[0], LENGTH].reshape(-1, 8)
    without = 1 - drawn.sum() / (drawn.max(axis=1).sum() * 8)
    assert share < 0.05 < 0.3 < without
    assert describe({"packing": facts})[0].startswith(f"a row for each document, by length: {plan.num_rows:,} rows, ")
    assert of(4)[0] != name == of(8)[0]  # the batch size decides this plan, …
    plain = DataSettings(split="documents")
    assert of(4, plain)[0] == of(8, plain)[0]  # … and no other
    with pytest.raises(DataError, match=r"fewer than training.batch_size = 5000: lower it"):
        of(5000)


def test_short_rows_at_first_make_no_sense_with_it(tiny_recipe: Path) -> None:
    asked = ["data.packing=documents", "training.length_warmup_fraction=0.5"]
    with pytest.raises(
        SettingError, match=r"^training\.length_warmup_fraction = 0\.5: use 0 with data\.packing = 'doc"
    ):
        load_recipe(str(tiny_recipe), asked)
    assert load_recipe(str(tiny_recipe), asked[:1]).data.packing == "documents"


def test_padding_of_an_epoch_of_fewer_rows_than_a_batch() -> None:
    plan = plan_of([2, 4, 4], 8, 5)  # its first batch has five of them, three and then two
    batch = training_batch(np.arange(10), plan, 0, 0, 5)
    assert isinstance(plan.rows, DocumentRows)
    assert plan.rows.padding_share(plan.groups, 0) == pytest.approx((batch[:, 1:] < 0).mean())

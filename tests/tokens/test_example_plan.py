"""Rows of examples: each comes once an epoch, those of like lengths together, and packed ones see nothing of each other."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from groundup.errors import DataError
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.example_plan import ExamplePlan, examples_batch, plan_examples
from groundup.tokens.example_store import ExampleStore, Row, write_examples
from groundup.training.objectives.language_model import count_targets, marked_loss_sum

PAD, LIMIT = 3, 16


def store_of(path: Path, lengths: list[int], width: int = 1) -> ExampleStore:
    """Rows whose first half is a prompt."""
    ids = np.random.default_rng(1).integers(4, 20, sum(lengths))
    parts = np.split(ids, np.cumsum(lengths)[:-1])
    marked = [np.where(np.arange(len(part)) < max(1, len(part) // 2), ~part, part) for part in parts]
    return write_examples(path / "train.examples", (Row(row, len(row), True) for row in marked), width)


def numbers_of(store: ExampleStore, batch: np.ndarray) -> list[int]:
    """Which examples stand in a batch of unpacked rows."""
    known = {tuple(store.row(number).tolist()): number for number in range(len(store))}
    return [known[tuple(row[: np.flatnonzero(row != ~PAD)[-1] + 1].tolist())] for row in batch]


def test_each_example_comes_once_an_epoch_beside_those_like_it(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.random.default_rng(2).integers(4, LIMIT + 1, 101).tolist())
    plan = plan_examples(store, False, LIMIT, 4, PAD)
    assert plan.num_rows == len(plan) == 101
    batches = [plan.batch(store, 5, step, 4) for step in range(51)]
    seen = [number for batch in batches for number in numbers_of(store, batch)]
    assert sorted(seen[:101]) == sorted(seen[101:202]) == list(range(101))
    assert seen[:101] != seen[101:202]
    for batch in batches:
        lengths = store.lengths[numbers_of(store, batch)]
        assert batch.shape == (4, lengths.max())
        assert count_targets(batch) == store.learned[numbers_of(store, batch)].sum()
    whole = [batch for step, batch in enumerate(batches[:25])]
    padding = sum(int((batch == ~PAD).sum()) for batch in [plan.batch(store, 0, step, 4) for step in range(25)])
    places = sum(plan.batch(store, 0, step, 4).size for step in range(25))
    assert plan.padding_share(store) == pytest.approx(padding / places)
    assert plan.padding_share(store) < 0.06
    assert all((plan.batch(store, 5, step, 4) == batch).all() for step, batch in enumerate(whole))
    assert (plan.batch(store, 5, 7, 2) == plan.batch(store, 5, 3, 4)[2:, : plan.batch(store, 5, 7, 2).shape[1]]).all()


def test_an_epoch_of_fewer_rows_than_a_batch(tmp_path: Path) -> None:
    store = store_of(tmp_path, [4, 8])
    plan = plan_examples(store, False, LIMIT, 4, PAD)
    batch = plan.batch(store, 0, 0, 4)
    assert sorted(numbers_of(store, batch)) == [0, 0, 1, 1]
    assert plan.padding_share(store) == pytest.approx(8 / 32)


def test_what_teaches_nothing_is_left_out(tmp_path: Path) -> None:
    rows = [Row([~5, 6], 1, True), Row([~5, ~6], 0, False), Row([~5, ~6, 7], 1, True)]
    store = write_examples(tmp_path / "train.examples", rows)
    assert plan_examples(store, False, LIMIT, 2, PAD).examples.tolist() == [0, 2]
    assert sorted(plan_examples(store, True, LIMIT, 2, PAD).examples.tolist()) == [0, 2]
    nothing = write_examples(tmp_path / "nothing.examples", rows[1:2] * 3)
    assert plan_examples(nothing, False, LIMIT, 2, PAD).num_rows == 3


def test_pairs_by_hand(tmp_path: Path) -> None:
    rows = [Row([~5, 6], 1, True), Row([~5, 7, 8], 2, True), Row([~9, 10, 11, 12], 3, True), Row([~9, 13], 1, True)]
    store = write_examples(tmp_path / "train.examples", rows, width=2)
    assert examples_batch(store, np.array([1, 0]), PAD).tolist() == [
        [[1, ~9, 10, 11, 12], [1, ~9, 13, ~PAD, ~PAD]],
        [[0, ~5, 6, ~PAD, ~PAD], [0, ~5, 7, 8, ~PAD]],
    ]
    plan = plan_examples(store, False, LIMIT, 2, PAD)
    assert plan.lengths.tolist() == [3, 4]
    assert plan.padding_share(store) == pytest.approx(5 / 16)
    assert plan.batch(store, 1, 0, 2).shape == (2, 2, 5)


def test_packed_rows_are_full_and_hold_every_example_once(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.random.default_rng(3).integers(2, LIMIT + 1, 200).tolist())
    plan = plan_examples(store, True, LIMIT, 4, PAD)
    assert sorted(plan.examples.tolist()) == list(range(200))
    assert plan.lengths.max() <= LIMIT
    assert plan.num_rows <= 1.1 * store.lengths.sum() / LIMIT
    assert plan.lengths.sum() == store.lengths.sum()
    batches = [plan.batch(store, 1, step, plan.num_rows) for step in range(2)]
    for batch in batches:
        found = [tuple(row[0][row[1] == segment].tolist()) for row in batch for segment in range(int(row[1].max()) + 1)]
        assert sorted(found) == sorted(tuple(store.row(number).tolist()) for number in range(200))
        assert (batch[:, 0][batch[:, 1] < 0] == ~PAD).all()
        assert count_targets(batch) == store.learned.sum()
    assert (batches[0] != batches[1]).any()


@pytest.mark.parametrize("preset", get_args(Preset))
def test_a_packed_example_has_the_logits_and_the_loss_that_it_has_alone(tmp_path: Path, preset: Preset) -> None:
    torch.manual_seed(0)
    shape = {"vocab_size": 20, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": LIMIT}
    model = Transformer(preset_config(preset, **shape, initialization="normal", dropout=0.0)).double().eval()
    store = store_of(tmp_path, [3, 5, 8, 4, 2, 7, 6, 9, 2])
    batch = plan_examples(store, True, LIMIT, 3, PAD).batch(store, 1, 0, 3)
    assert batch.shape == (3, 2, LIMIT)
    ids, segments = torch.from_numpy(batch).unbind(1)
    read = torch.where(ids < 0, ~ids, ids)
    with torch.no_grad():
        packed = model(read, segment_ids=segments)
        alone = torch.zeros(())
        for row in range(3):
            for segment in range(int(segments[row].max()) + 1):
                here = segments[row] == segment
                assert torch.allclose(packed[row, here], model(read[row, here][None])[0], atol=1e-12, rtol=0)
                alone = alone + marked_loss_sum(model, ids[row, here][None])
        assert float(marked_loss_sum(model, torch.from_numpy(batch))) == pytest.approx(float(alone), rel=1e-6)


def test_a_plan_comes_back(tmp_path: Path) -> None:
    store = store_of(tmp_path, [3, 5, 8, 4, 2, 7])
    plans = [plan_examples(store, packed, LIMIT, size, PAD) for packed in (True, False) for size in (2, 3)]
    assert len({plan.sha256 for plan in plans}) == 4
    for plan in plans:
        plan.save(tmp_path / "plan")
        opened = ExamplePlan.open(tmp_path / "plan", verify=True)
        assert opened.sha256 == plan.sha256
        assert (opened.batch(store, 1, 2, 3) == plan.batch(store, 1, 2, 3)).all()
    content = (tmp_path / "plan").read_bytes()
    for old, new in ((b"padding_id", b"podding_id"), (b'"num_rows": 6', b'"num_rows": 5')):
        assert old in content
        (tmp_path / "plan").write_bytes(content.replace(old, new))
        with pytest.raises(DataError, match="has a damaged header"):
            ExamplePlan.open(tmp_path / "plan", verify=True)

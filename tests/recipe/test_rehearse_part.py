"""A step that is too long for a plan's measurement: what is taken of it, and what that tells of all."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.rehearsals import look
from torch import Tensor

from groundup.cli.plan import plan
from groundup.recipe import rehearse, rehearse_part, rehearse_steps
from groundup.recipe.rehearsal import Rehearsal
from groundup.recipe.rehearse_part import InPart, counted, cut, steps_in_part, work
from groundup.training import muon
from groundup.training.optimizers import trainable
from groundup.training.step import Machinery, take_step

DEEP = ["model.num_layers=8", "training.length_warmup_fraction=0"]


def test_of_a_step_that_was_cut_the_middle_of_two_bounds_is_said() -> None:
    """Through a third of the network 100 operations took 3 seconds, 10 took 2, and the whole update takes 5. So 1,000 take 30 if all grows,
    or else three times 2, and for the other 970 what 90 took."""
    found = InPart(few=(2.0, 10), more=(3.0, 100), update=5.0, larger=3.0, first=0.0, spent=9.0)
    assert found.seconds_of(1000) == pytest.approx(5 + (30 + 6 + 970 / 90) / 2)
    few_took_more = replace(found, few=(4.0, 10))
    assert few_took_more.seconds_of(1000) == pytest.approx(5 + (30 + 12) / 2), (
        "by chance, and no time comes back for it"
    )
    without_few = replace(found, few=(0.0, 0))
    assert without_few.seconds_of(1000) == pytest.approx(5 + 30)


@pytest.mark.parametrize(
    ("optimizer", "most", "expected"),
    [
        ("adamw", (8, 257, 8), (8, 257, 8)),
        ("adamw", (4, 257, 8), (4, 257, 8)),
        ("adamw", (2, 257, 4), (2, 257, 4)),
        ("adamw", (2, 129, 2), (2, 129, 2)),
        ("adamw", (1, 2, 1), (2, 34, 2)),
        ("muon", (2, 129, 2), (2, 129, 2)),
        ("muon", (1, 2, 1), (2, 34, 1)),
    ],
)
def test_a_step_is_cut_to_fewer_rows_then_fewer_blocks_and_then_shorter_ones(
    optimizer: str,
    most: tuple[int, int, int],
    expected: tuple[int, int, int],
    tiny_recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of two parts keeps a row; a row's tokens, and the one more that is predicted, are halved down to 33 + 1. `most`: rows, their
    length and blocks whose work is the most there may be."""
    found: list[tuple[int, ...]] = []

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        if most[:2] == (1, 2):
            monkeypatch.setattr(rehearse_part, "WORK_OF_A_WEIGHT", 0)
        rows = np.zeros((8, 257), np.int64)
        so_much = work(rehearsal, machinery, rows[: most[0], : most[1]], most[2])
        few, blocks = cut(rehearsal, machinery, rows, so_much)
        found.append((*few.shape, blocks))

    changes = ["training.batch_size=8", "training.accumulation_steps=2", "model.max_seq_len=256", *DEEP]
    look(monkeypatch, tiny_recipe, [*changes, f"training.optimizer={optimizer}"], see)
    assert found == [expected]


def test_a_compiled_network_keeps_its_blocks(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    monkeypatch.setattr("groundup.training.step.compiled", lambda network, device: network)

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        found.append(cut(rehearsal, machinery, np.zeros((8, 257), np.int64), 0)[1])

    look(monkeypatch, tiny_recipe, [*DEEP, "training.compile=true"], see)
    assert found == [8]


@pytest.mark.parametrize(("optimizer", "warmup"), [("muon", 0.5), ("adamw", 0.5), ("adamw", 0)])
def test_steps_that_would_take_too_long_are_taken_in_part_once(
    optimizer: str,
    warmup: float,
    tiny_recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Short rows' steps and whole ones' are told by the same: some without an update of a few tokens, then some through two blocks of 8."""
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.5)
    take_steps = rehearse_steps.take_steps
    seen: list[tuple[tuple[int, ...], int, bool]] = []

    def watched(task: Any, machinery: Any, step: int, factor: float) -> Any:
        before = [parameter.detach().clone() for parameter in machinery.parameters]
        taken = take_step(task, machinery, step, 1.0)
        changed = any(not torch.equal(*pair) for pair in zip(before, machinery.parameters, strict=True))
        seen.append((task.batch(0).shape, len(task.model.blocks), changed))
        return taken

    def slowly(rehearsal: Rehearsal, machinery: Machinery, speed: float) -> Any:
        a_row = rehearsal.task.batch(39)[:1]
        return take_steps(rehearsal, machinery, work(rehearsal, machinery, a_row, 2) / rehearse_steps.LONGEST_PART)

    monkeypatch.setattr(rehearse, "take_steps", slowly)
    monkeypatch.setattr(rehearse_part, "take_step", watched)
    changes = ["training.batch_size=16", f"training.optimizer={optimizer}", "model.num_layers=8"]
    changes += [f"training.length_warmup_fraction={warmup}", "model.max_seq_len=256"]
    plan(str(tiny_recipe), changes, as_json=True)
    measured = json.loads(capsys.readouterr().out)["here"]["measured"]
    assert measured["cut"]
    assert measured["step"] > 0
    few = [one for one in seen if one[0] == (1, 34)]
    assert seen == [((1, 34), 2, False)] * len(few) + [((1, 257), 2, True)] * (len(seen) - len(few))
    assert 2 <= len(few) <= 3
    assert len(seen) > len(few)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_muon_orthogonalizes_a_share_of_the_matrices_and_the_time_of_all_is_told(
    num_threads: int, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on by a thousand seconds for each product's million operations, in the thread that has most."""
    clock, later = time.perf_counter, {"seconds": 0.0}
    orthogonalized: list[int] = []
    orthogonalize = muon.orthogonalize
    found: list[InPart] = []

    def slowly(matrices: Tensor, *others: Any) -> Tensor:
        orthogonalized.append(len(matrices))
        return orthogonalize(matrices, *others)

    def subtract(self: Any, updates: Any, lr: Any, part: Any) -> None:
        subtract_part(self, updates, lr, part)
        if part is self.parts[0]:  # which has as many as any
            later["seconds"] += 1e-3 * flops_of(part)

    def flops_of(part: Any) -> int:
        return sum(muon.orthogonalizing_flops(*block.weights.shape) for blocks in part for block in blocks)

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        rows = rehearsal.task.batch(0)[:num_threads]
        found.append(steps_in_part(rehearsal, machinery, rows, 2, 0, 0.0))
        whole = 1e-3 * flops_of(machinery.optimizer.muon.parts[0])
        assert found[0].update == pytest.approx(whole, rel=1e-3)
        assert found[0].more[0] < 1e-3 * whole, "a step's other seconds are told without it"
        assert sum(orthogonalized) == 2 * 6, "once, of two blocks, six matrices each"

    subtract_part = muon.Muon._subtract
    monkeypatch.setattr(muon, "orthogonalize", slowly)
    monkeypatch.setattr(muon.Muon, "_subtract", subtract)
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + later["seconds"])
    changes = [*DEEP, "model.preset=gpt2", "training.optimizer=muon", f"training.num_threads={num_threads}"]
    look(monkeypatch, tiny_recipe, changes, see)
    assert len(found) == 1


def test_what_was_taken_in_part_is_counted_as_it_was(
    tiny_base: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of adapters beside frozen blocks: the operations are those that a step itself counts, and the weights are the whole network's."""
    seen: list[tuple[int, int]] = []

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        def watched(task: Any, some: Any, step: int, factor: float) -> Any:
            taken = take_step(task, some, step, factor)
            own = {parameter.data_ptr() for parameter in trainable(rehearsal.task.model)}
            assert {parameter.data_ptr() for parameter in some.parameters} < own
            seen.append((taken.flops, counted(rehearsal, machinery, task.batch(0), 1)[0]))
            return taken

        monkeypatch.setattr(rehearse_part, "take_step", watched)
        found = steps_in_part(rehearsal, machinery, rehearsal.task.batch(0), 1, 0, 0.0)
        assert found.larger > 1
        assert torch.get_num_threads() == machinery.shards.threads_each

    look(
        monkeypatch,
        Path("domain"),
        [f"model.base={tiny_base}", f"data.source={text_file}", "model.max_seq_len=16"],
        see,
    )
    assert seen
    assert all(taken == told for taken, told in seen)

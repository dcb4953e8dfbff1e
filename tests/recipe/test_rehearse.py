"""A plan's measurement: what is too long for its time is taken in part, and what the whole takes is told from that."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.rehearsals import look

from groundup.cli.plan import plan
from groundup.model.counts import forward_flops
from groundup.model.weights import StoredTensors
from groundup.recipe import rehearse, rehearse_files, rehearse_steps
from groundup.recipe.data import prepare_recipe
from groundup.recipe.measured import Reading
from groundup.recipe.rehearsal import Rehearsal
from groundup.recipe.rehearse_between import read, read_reference
from groundup.recipe.rehearse_files import Saved, publish, read_back
from groundup.recipe.rehearse_steps import Kind, Steps, Taken
from groundup.recipe.settings import load_recipe
from groundup.training.step import Machinery, take_step


def test_steps_that_were_taken_whole_are_scaled_by_their_operations() -> None:
    taken = Taken([9.0, 2.0, 4.0], [100, 100, 200], cut=False)
    assert taken.seconds_of(300) == pytest.approx(6.0), "without the first: 6 seconds for 300"
    assert Taken([9.0], [100], cut=False).seconds_of(50) == pytest.approx(4.5)


def test_a_mean_step_is_of_each_kind_by_its_share_of_all(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the steps have short rows. Of both kinds the first step, which takes more, is told by itself."""
    seen: list[Kind] = []
    found: list[Steps] = []
    worked = iter((0.0, 12.0))

    def steps_of(rehearsal: Any, machinery: Any, kind: Kind, budget: float, most: float) -> Taken:
        seconds = [[9.0, 1.0], [4.0, 3.0]][len(seen)]
        seen.append(kind)
        return Taken(seconds, [int(kind.flops)] * 2, cut=False)

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        monkeypatch.setattr(rehearse_steps, "_steps_of", steps_of)
        with monkeypatch.context() as patched:
            patched.setattr(time, "process_time", lambda: next(worked))
            found.append(rehearse_steps.take_steps(rehearsal, machinery, 1e12))

    changes = ["training.length_warmup_fraction=0.25", "training.max_steps=40", "training.num_threads=2"]
    look(monkeypatch, tiny_recipe, changes, see)
    (steps,), (short, whole) = found, seen
    assert (short.start, short.share, whole.start, whole.share) == (0, 0.25, 10, 0.75)
    assert short.flops < whole.flops
    assert steps.seconds == pytest.approx(0.25 * 1.0 + 0.75 * 3.0)
    assert steps.first == pytest.approx(8.0)
    assert steps.flops == pytest.approx(0.25 * short.flops + 0.75 * whole.flops)
    assert steps.tokens == pytest.approx(0.25 * short.tokens + 0.75 * whole.tokens)
    assert steps.cores_share == pytest.approx(12.0 / (2 * 17.0)), "of two threads, in all of the seconds"


def test_what_a_compiler_takes_is_there_once_and_in_no_other_step(
    tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once for each length of rows, however little time there is."""
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    monkeypatch.setattr("groundup.training.step.compiled", lambda network, device: network)
    compiled: set[tuple[int, ...]] = set()

    def slowly_at_first(task: Any, machinery: Machinery, step: int, factor: float) -> Any:
        if (shape := task.batch(step).shape) not in compiled:
            compiled.add(shape)
            time.sleep(1.0)
        return take_step(task, machinery, step, factor)

    monkeypatch.setattr(rehearse_steps, "take_step", slowly_at_first)
    changes = ["training.compile=true", "training.length_warmup_fraction=0.5", "model.max_seq_len=64"]
    plan(str(tiny_recipe), changes, as_json=True)
    measured = json.loads(capsys.readouterr().out)["here"]["measured"]
    assert len(compiled) == 2
    assert measured["step"] < 0.5
    assert measured["first_step"] > 1.5


@pytest.mark.parametrize(("least", "counted"), [(37, 32), (16, 16), (9, 9)])
def test_as_many_tokens_are_counted_as_are_read(
    least: int, counted: int, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of windows of 16 tokens whole ones, or one in part."""
    monkeypatch.setattr("groundup.recipe.rehearse_between.LEAST_TOKENS", least)
    said: list[int] = []
    were_read: list[int] = []

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        evaluate: Any = rehearsal.task.evaluate

        def watched(*arguments: Any) -> None:
            were_read.append(evaluate.func(*arguments)["tokens"])

        object.__setattr__(rehearsal.task, "evaluate", partial(watched, *evaluate.args))
        monkeypatch.setattr(Rehearsal, "speed", lambda self, reading: least * self.flops_a_token)
        said.append(read(rehearsal, 200, 1 / rehearsal.seconds)[1])

    look(monkeypatch, tiny_recipe, [], see)
    assert said == were_read == [counted]


def test_reading_is_told_by_the_token(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a part of a window by its arithmetic; where each thread has read a batch, another one in memory that is there already."""
    readings: list[Reading] = []
    clock = iter((9.0, 64.0, 16.0))  # seconds for 9 tokens; for two threads' batches of 16; for as many again

    def see(rehearsal: Rehearsal, machinery: Machinery) -> None:
        monkeypatch.setattr("groundup.recipe.rehearse_between.timed", lambda function: next(clock))
        for tokens in (9, 10**6):
            monkeypatch.setattr(Rehearsal, "speed", lambda self, reading, tokens=tokens: tokens * self.flops_a_token)
            readings.append(read(rehearsal, 200, 1 / rehearsal.seconds if tokens == 9 else 5.0)[0])
        config = rehearsal.task.model.config
        whole, part = (forward_flops(config, length, length) / length for length in (16, 9))
        assert readings[0].first == readings[0].further == pytest.approx(whole / part)

    monkeypatch.setattr("groundup.recipe.rehearse_between.LEAST_TOKENS", 9)
    look(monkeypatch, tiny_recipe, ["evaluation.batch_size=1", "training.num_threads=2"], see)
    assert (readings[1].first, readings[1].further) == (64.0 / 16, 16.0 / 16)
    assert (readings[1].readers, readings[1].batch_tokens) == (2, 16)


def test_of_what_was_written_in_part_the_whole_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the weights, and a checkpoint that is four times as large."""
    monkeypatch.setattr(rehearse_files, "timed", lambda function: 1.0)
    rehearsal: Any = SimpleNamespace(
        files=SimpleNamespace(lora=None, load=print), task=SimpleNamespace(run=SimpleNamespace(path=tmp_path))
    )
    saved = Saved(tmp_path, 1.0, factor=4.0, share=0.5)
    assert read_back(rehearsal, saved) == pytest.approx(4 * 1.0 + 1.0 / 0.5)
    assert publish(rehearsal, saved) == pytest.approx(1.0 / 0.5)
    assert read_back(rehearsal, Saved(tmp_path, 1.0, factor=1.0, share=1.0)) == pytest.approx(2.0)


def test_of_a_large_network_a_part_is_written(
    tiny_recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AdamW's checkpoint is three times the weights. What memory the whole would take is worked out."""
    monkeypatch.setattr(rehearse, "training_memory", lambda load, rank: SimpleNamespace(total=10**13))
    most = 20_000
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    monkeypatch.setattr(rehearse_files, "MOST_BYTES", most)
    save = rehearse_files.save
    found: list[tuple[Saved, int, int]] = []

    def watched(rehearsal: Rehearsal, machinery: Machinery) -> Saved:
        with monkeypatch.context() as patched:
            patched.setattr(rehearse_files, "time", SimpleNamespace(perf_counter=partial(next, count())))
            saved = save(rehearsal, machinery)  # which takes one second by this clock
        stored = StoredTensors(sorted(saved.path.glob("*.safetensors")))
        whole = sum(each.nbytes for each in rehearsal.files.model.parameters())
        found.append((saved, sum(stored[name].nbytes for name in stored), whole))
        return saved

    monkeypatch.setattr(rehearse, "save", watched)
    plan(str(tiny_recipe), ["training.optimizer=adamw"], as_json=True)
    here = json.loads(capsys.readouterr().out)["here"]
    assert here["measured"]["cut"]
    assert here["memory_bytes"] == 10**13
    ((saved, written, whole),) = found
    assert saved.seconds == pytest.approx(saved.factor)
    assert 0.3 * most < written <= most < whole
    assert saved.share == pytest.approx(written / whole)
    assert saved.factor == pytest.approx(3 * whole / written, rel=0.01), "and a step counter a tensor"


@pytest.mark.parametrize("missing", [0, 1])
def test_where_less_is_read_beside_steps_than_training_reads_the_memory_is_worked_out(
    missing: int, tiny_recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse, "training_memory", lambda load, rank: SimpleNamespace(total=10**13))
    calls = count(1)

    def less(rehearsal: Rehearsal, wanted: int, share: float, before: Reading | None = None) -> tuple[Reading, int]:
        reading, num_tokens = read(rehearsal, wanted, share, before)
        return reading, num_tokens - missing * (next(calls) == 2)  # before the steps, beside them, at the end

    monkeypatch.setattr(rehearse, "read", less)
    plan(str(tiny_recipe), as_json=True)
    here = json.loads(capsys.readouterr().out)["here"]
    assert next(calls) >= 3
    assert here["measured"]["cut"] == bool(missing)
    assert (here["memory_bytes"] == 10**13) == bool(missing)


def test_of_a_large_base_a_part_of_the_merged_network_is_written(
    tiny_base: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 20_000
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    publish = rehearse_files.publish
    found: list[tuple[Saved, int, int]] = []

    def watched(rehearsal: Rehearsal, saved: Saved) -> float:
        monkeypatch.setattr(rehearse_files, "MOST_BYTES", most)
        seconds = publish(rehearsal, saved)
        stored = StoredTensors(sorted((rehearsal.task.run.path / "whole").glob("*.safetensors")))
        whole = sum(each.nbytes for each in rehearsal.files.model.parameters())
        found.append((saved, sum(stored[name].nbytes for name in stored), whole))
        return seconds

    monkeypatch.setattr(rehearse, "publish", watched)
    plan("domain", [f"model.base={tiny_base}", f"data.source={text_file}", "model.max_seq_len=16"])
    ((saved, written, whole),) = found
    assert saved.share == 1, "an adapter is small"
    assert 0 < written < 0.9 * whole


def test_what_the_base_reads_of_pairs_is_told_by_itself(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, before training, in no part of what opening takes otherwise."""
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    clock, later, found = time.perf_counter, [0.0], list[Reading]()
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + later[0])

    def slowly(rehearsal: Rehearsal) -> Reading:
        later[0] += 1000.0
        found.append(replace(read_reference(rehearsal), first=0.5, further=0.5))
        return found[-1]

    monkeypatch.setattr(rehearse, "read_reference", slowly)
    pairs = tmp_path / "pairs.jsonl"
    row = {"prompt": "What is it?", "chosen": "A word or two.", "rejected": "Nothing at all."}
    pairs.write_text("\n".join(json.dumps({**row, "prompt": f"{number}?"}) for number in range(60)), encoding="utf-8")
    changes = [f"model.base={tiny_base}", f"data.source={pairs}", "training.objective=preference", "training.epochs=0"]
    changes += ["model.max_seq_len=128", "training.max_steps=4", "data.validation_fraction=0.1"]
    prepare_recipe(load_recipe("instruct", changes), tmp_path, lambda line: None)
    plan("instruct", changes, as_json=True)
    here = json.loads(capsys.readouterr().out)["here"]
    assert found[0].readers >= 1
    measured = here["measured"]
    assert measured["reference"]["first"] == 0.5
    assert measured["opening"] < 900 < measured["measuring"]
    assert here["seconds_by_part"]["opening"] > measured["opening"] + 0.5 * 60

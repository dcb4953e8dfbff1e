"""Reading a run directory in whatever state it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from groundup.errors import RunError
from groundup.report.facts import read_run
from groundup.report.values import clean, number, whole

WriteRun = Callable[..., Path]


def append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def test_a_finished_run_is_read_as_written(write_run: WriteRun) -> None:
    facts = read_run(write_run("bard", prompt="O "))
    assert (facts.name, facts.state, facts.steps, facts.seconds, facts.tokens) == (
        "bard",
        "finished",
        400,
        68.25,
        819200,
    )
    assert facts.best is not None
    assert (facts.best.loss, facts.best.bits_per_byte, facts.best.window, facts.best.final) == (
        1.5312,
        2.2087,
        256,
        True,
    )
    assert (len(facts.training), len(facts.validation), len(facts.samples), len(facts.events)) == (40, 4, 4, 5)
    assert facts.training[-1].tokens == 2048 * 400
    assert facts.samples[0].prompt == "O "
    assert facts.final_sample is not None
    assert (facts.final_sample.step, facts.final_sample.prompt) == (400, "O ")
    assert facts.vocab_size == 87
    assert facts.total_parameters == sum(facts.parameters.values())
    assert "position_embedding" not in facts.parameters  # qwen3 has none
    assert facts.recipe["training"]["max_steps"] == 400
    assert not facts.notes


def test_an_unfinished_run_takes_its_figures_from_the_metrics(write_run: WriteRun) -> None:
    run = write_run(steps=250, finished=False)
    facts = read_run(run)
    assert (facts.state, facts.steps, facts.tokens, facts.seconds) == ("unfinished", 250, 2048 * 250, 42.5)
    assert facts.best is not None
    assert (facts.best.step, facts.best.final, facts.best.tokens) == (200, False, 50000)
    append(
        run / "events.jsonl", '{"time": "2026-01-05T11:00:00+00:00", "event": "stopped", "step": 251, "why": "Ctrl-C"}'
    )
    assert (read_run(run).state, read_run(run).steps) == ("stopped", 251)
    append(run / "events.jsonl", '{"time": "2026-01-05T12:00:00+00:00", "event": "resumed", "step": 251}')
    assert read_run(run).state == "unfinished"


def test_a_run_that_has_just_started_has_nothing_yet(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    for name in ("metrics.jsonl", "events.jsonl", "samples.jsonl"):
        (run / name).unlink()
    facts = read_run(run)
    assert (facts.state, facts.steps, facts.tokens, facts.seconds, facts.best) == ("unfinished", 0, None, None, None)
    assert facts.final_sample is None


def test_numbers_that_are_not_finite_are_gaps_and_are_told(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    append(
        run / "metrics.jsonl",
        '{"kind": "train", "step": 410, "loss": NaN, "grad_norm": Infinity, "learning_rate": null}',
        '{"kind": "train", "step": 420, "loss": "3", "tokens": true}',
        '{"kind": "validation", "step": 420, "loss": null}',
        '{"kind": "train", "loss": 1.0}',
        '{"kind": "train", "step": null, "loss": 1.0}',
        "[1, 2]",
        '{"kind": "train", "step": 430, "lo',
    )
    facts = read_run(run)
    assert [(point.step, point.loss, point.grad_norm, point.tokens) for point in facts.training[-2:]] == [
        (410, None, None, None),
        (420, None, None, None),
    ]
    assert facts.best is not None
    assert facts.best.step == 400
    assert facts.notes == [
        "2 of 42 training losses in metrics.jsonl are not finite: gaps in the curve.",
        "1 of 5 validation losses in metrics.jsonl are not finite: gaps in the curve.",
    ]


def test_a_step_taken_twice_counts_as_it_was_taken_last(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    append(run / "metrics.jsonl", '{"kind": "train", "step": 200, "loss": 0.125}')
    losses = {point.step: point.loss for point in read_run(run).training}
    assert losses[200] == 0.125
    assert list(losses) == sorted(losses)
    assert len(losses) == 40


def test_missing_and_damaged_files_are_said(write_run: WriteRun) -> None:
    run = write_run()
    (run / "recipe.toml").write_text("[training\n", encoding="utf-8")
    (run / "result.json").write_text('{"state": "fini', encoding="utf-8")
    facts = read_run(run)
    assert facts.notes == [
        "recipe.toml is not valid TOML; it is shown as it stands.",
        "result.json is damaged; the run is shown as unfinished.",
    ]
    assert (facts.recipe, facts.recipe_text, facts.state) == ({}, "[training\n", "unfinished")
    (run / "recipe.toml").unlink()
    assert read_run(run).notes[0] == "recipe.toml is missing."


def test_a_manifest_of_the_wrong_shape_says_less_but_does_not_fail(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    odd: dict[str, object] = {
        "model": [],
        "data": {"sources": [3, {"name": 7, "bytes": "many"}], "tokens": 5},
        "hashes": None,
        "machine": "a box",
    }
    (run / "manifest.json").write_text(json.dumps(odd), encoding="utf-8")
    facts = read_run(run)
    assert (facts.family, facts.vocab_size, facts.parameters, facts.total_parameters) == ("", None, {}, None)
    assert [(source.name, source.bytes) for source in facts.sources] == [("", None)]


def test_what_is_not_a_run_is_refused(tmp_path: Path, write_run: WriteRun) -> None:
    with pytest.raises(
        RunError, match=r"is not a run: it has no manifest\.json; name a folder that `groundup train` made"
    ):
        read_run(tmp_path)
    run = write_run()
    (run / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"manifest\.json is missing or damaged"):
        read_run(run)


def test_text_is_made_safe_to_print() -> None:
    assert clean("a\tb\nc\r\x1b[31m\x00\x7f\x9b\ud800é🙂") == "a\tb\nc␍␛[31m␀␡\ufffd\ufffdé🙂"
    assert clean({"\x1b": ["\x07", 3, None]}) == {"␛": ["␇", 3, None]}
    clean("\ud800").encode()


def test_numbers_are_taken_only_when_they_are_finite_numbers() -> None:
    assert [number(value) for value in (3, 2.5, True, "3", None, float("nan"), float("inf"), 10**400)] == [
        3.0,
        2.5,
        *[None] * 6,
    ]
    assert (whole(3.0), whole("3"), whole(float("nan"))) == (3, None, None)


def test_the_untrained_network_is_best_only_while_there_is_nothing_else(write_run: WriteRun) -> None:
    """No checkpoint of it is kept, so however good its loss was, the best is the best that was trained."""
    run = write_run(steps=250, finished=False)
    append(run / "metrics.jsonl", '{"kind": "validation", "step": 0, "loss": 0.001}')
    best = read_run(run).best
    assert best is not None
    assert best.step == 200

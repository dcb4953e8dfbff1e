"""`groundup evaluate --task`: what it prints, what it keeps with a run, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import groundup as gu
from groundup.cli.evaluate import evaluate
from groundup.errors import SettingError
from groundup.run.directory import RunDirectory
from groundup.run.measurements import read_measurements


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tiny"
    gu.train(str(tiny_recipe), {"training.max_steps": 2}, run=path)
    return path


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text('{"a": "of the", "b": "zqx"}\n{"a": "to", "b": "q€q"}\n', encoding="utf-8")
    file = tmp_path / "Words.toml"
    file.write_text('data = "rows.jsonl"\nchoices = ["{{a}}", "{{b}}"]\nanswer = 0\nprompt = "The"\n', encoding="utf-8")
    return file


def test_a_table_and_what_is_kept_with_the_run(run: Path, task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(str(run), task=[task])
    printed = capsys.readouterr()
    assert "1 of 2 rows of Words hold characters or words that the tokenizer of" in printed.err
    heading, *lines = printed.out.splitlines()
    assert heading.split() == ["task", "figure", "value", "95", "%", "interval", "items"]
    assert [line.split()[:2] for line in lines] == [["Words", "acc"], ["Words", "acc_norm"], ["Words", "acc_bytes"]]
    kept = read_measurements(RunDirectory(run))["evaluations/task-words.json"]
    value = kept["figures"]["acc"]
    assert set(value) == {"value", "low", "high", "n"}
    assert value["n"] == 2
    assert kept["settings"]["choices"] == ["{{a}}", "{{b}}"]
    assert f"{value['value']:.4f}" == lines[0].split()[2]
    evaluate(str(run / "checkpoints" / "step-000002"), task=[task])
    assert "evaluations/task-words-step-000002.json" in read_measurements(RunDirectory(run))


def test_json_of_several_tasks(tiny_base: Path, task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = task.with_name("texts.toml")
    other.write_text('data = "rows.jsonl"\nkind = "loglikelihood_rolling"\nanswer = "a"\n', encoding="utf-8")
    evaluate(str(tiny_base), task=[task, other], as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["Words"]["kind"] == "multiple_choice"
    assert printed["Words"]["acc"]["n"] == 2
    assert set(printed["texts"]) == {"kind", "word_perplexity", "byte_perplexity", "bits_per_byte"}


def test_two_models_on_a_task(run: Path, tiny_base: Path, task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(str(run), against=str(tiny_base), task=[task])
    heading, first, *_, last = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["on", "Words"]
    assert first.split()[0] == "acc"
    assert "for each of 2 items" in last
    kept = read_measurements(RunDirectory(run))[f"evaluations/task-words-against-{tiny_base.name}.json"]
    assert set(kept["figures"]["figures"]["acc"]) == {"a", "b", "difference", "p"}
    evaluate(str(run), against=str(tiny_base), task=[task], as_json=True)
    assert json.loads(capsys.readouterr().out)["Words"]["figures"] == kept["figures"]["figures"]
    with pytest.raises(SettingError, match="--references = 'r': a task says itself"):
        evaluate(str(run), against=str(tiny_base), task=[task], references=Path("r"))


def test_a_task_says_itself_what_is_asked(tmp_path: Path, task: Path) -> None:
    with pytest.raises(
        SettingError, match=r"--data = \['x'\]: a task says itself what is asked; leave it out with --task"
    ):
        evaluate(str(tmp_path), task=[task], data=["x"])
    with pytest.raises(SettingError, match="--task = 'Words': two files have this name"):
        evaluate(str(tmp_path), task=[task, task])
    with pytest.raises(SettingError, match="--metrics = 'loss': a task says itself"):
        evaluate(str(tmp_path), task=[task], metrics="loss")
    with pytest.raises(SettingError, match="--by = 'language': a task says itself"):
        evaluate(str(tmp_path), task=[task], by="language")
    with pytest.raises(SettingError, match=r"task .*none\.toml: the file cannot be read"):
        evaluate(str(tmp_path), task=[tmp_path / "none.toml"])

"""`evaluate`: what is kept with a run, groups of documents, texts against references, two models compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groundup as gu
from groundup.cli.evaluate import evaluate as command
from groundup.errors import DataError, GenerationError, GroundupError, SettingError
from groundup.recipe.evaluate_against import evaluate_against
from groundup.recipe.evaluate_generations import evaluate_generations, write
from groundup.recipe.evaluated_text import EvaluatedText, group_documents
from groundup.recipe.keep_evaluation import keep_evaluation
from groundup.recipe.reference_rows import ReferenceRow
from groundup.recipe.train import TrainedRun
from groundup.run.directory import RunDirectory
from groundup.run.measurements import read_measurements
from groundup.tokens.chat_template import ChatTemplate

LANGUAGES = {"en": "All persons shall have the right to speak.", "de": "Alle Menschen haben das Recht zu sprechen."}


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 documents of two languages, two sources and two lengths."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows: list[dict[str, str]] = []
    for number in range(48):
        language = "en" if number % 3 else "de"
        text = f"{number}. {LANGUAGES[language]} " * (1 if number % 4 else 40)
        rows.append({"text": text, "language": language, "source": "laws" if number % 2 else "talks"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return gu.train(tiny_recipe, ["training.max_steps=20"], run=tmp_path_factory.mktemp("run") / "first", say=quiet)


@pytest.fixture(scope="module")
def other(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return gu.train(tiny_recipe, ["training.max_steps=1"], run=tmp_path_factory.mktemp("run") / "other", say=quiet)


def kept(run: TrainedRun, name: str) -> dict[str, Any]:
    return read_measurements(RunDirectory(run.path))[f"evaluations/{name}.json"]


def test_an_evaluation_is_kept_with_its_run(run: TrainedRun) -> None:
    figures = gu.evaluate(run.path, say=quiet)
    file = kept(run, "validation")
    assert file["figures"]["loss"] == figures["intervals"]["loss"]
    assert file["figures"]["loss"]["value"] == figures["loss"]
    assert file["model"]["folder"] == "model"
    assert file["settings"]["window"] == figures["window"] == 16
    result = json.loads((run.path / "result.json").read_text())["validation"]
    assert figures["loss"] == pytest.approx(result["loss"], abs=1e-6)
    for name in ("loss", "perplexity", "bits_per_byte", "accuracy", "calibration_error"):
        interval = figures["intervals"][name]
        assert interval["low"] <= interval["value"] <= interval["high"] or name == "calibration_error", name
    assert figures["unit"] == "stretches"  # it is one text
    assert sum(each["tokens"] for each in figures["calibration"]) == figures["tokens"]


def test_the_n_gram_model_has_an_interval_and_a_file_of_its_own(run: TrainedRun) -> None:
    figures = gu.evaluate(run.path, metrics="ngram_bits_per_byte", say=quiet)
    interval = figures["intervals"]["ngram_bits_per_byte"]
    assert interval["low"] < figures["ngram_bits_per_byte"] < interval["high"]
    assert "loss" not in figures | figures["intervals"]
    assert kept(run, "validation-ngram")["figures"]["ngram_bits_per_byte"] == interval


def test_nothing_that_was_measured_is_lost_to_what_was_told_otherwise(run: TrainedRun) -> None:
    whole = gu.evaluate(run.path, say=quiet)
    one = gu.evaluate(run.path, metrics="loss", say=quiet)
    assert set(one) == {"data", "loss", "intervals", "unit", "tokens", "bytes", "window"}
    assert set(one["intervals"]) == {"loss"}
    gu.evaluate(run.path, window=8, say=quiet)
    checkpoint = sorted((run.path / "checkpoints").iterdir())[0]
    gu.evaluate(checkpoint, say=quiet)
    assert kept(run, "validation")["figures"]["accuracy"] == whole["intervals"]["accuracy"]
    assert kept(run, "validation-window-8")["figures"]["window"] == 8
    assert kept(run, f"validation-{checkpoint.name}")["model"]["folder"] == f"checkpoints/{checkpoint.name}"
    for value, told in enumerate(("a/rows.jsonl", "b/rows.jsonl", "a/rows.jsonl")):
        keep_evaluation(run.path, "rows.jsonl", {"figure": value}, {"references": told}, quiet)
    assert kept(run, "rows-jsonl")["figures"]["figure"] == 2  # the same again
    assert kept(run, "rows-jsonl-2")["figures"]["figure"] == 1


def test_a_window_beyond_the_context_is_refused(run: TrainedRun) -> None:
    with pytest.raises(SettingError, match="window = 999: the model's context holds 16 tokens; use at most as many"):
        gu.evaluate(run.path, window=999, say=quiet)


@pytest.mark.parametrize(
    ("by", "groups"),
    [("source", ["laws", "talks"]), ("language", ["en", "de"]), ("length", ["up to 1 kB", "up to 4 kB"])],
)
def test_groups_of_documents(run: TrainedRun, rows_file: Path, by: str, groups: list[str]) -> None:
    figures = gu.evaluate(run.path, data=rows_file, by=by, say=quiet)
    parts = figures[f"by_{by}"]
    assert list(parts) == groups
    assert sum(part["tokens"] for part in parts.values()) == figures["tokens"]
    loss = sum(part["loss"] * part["tokens"] for part in parts.values()) / figures["tokens"]
    assert loss == pytest.approx(figures["loss"])
    assert sum(part["intervals"]["loss"]["n"] for part in parts.values()) == 48
    assert figures["unit"] == "documents"
    (name,) = (name for name in read_measurements(RunDirectory(run.path)) if name.endswith(f"-by-{by}.json"))
    assert kept(run, Path(name).stem)["figures"][f"by_{by}"][groups[0]]["loss"]["value"] == parts[groups[0]]["loss"]


def test_unknown_groups_are_refused(run: TrainedRun) -> None:
    with pytest.raises(SettingError, match="by = 'mood': use source, language, length"):
        gu.evaluate(run.path, by="mood", say=quiet)
    mixed = EvaluatedText("validation", np.arange(4), np.array([4]), 4, "a", languages=["en"])
    with pytest.raises(DataError, match="mixed its texts by language, so of its held-out text only that is known"):
        group_documents(mixed, run.load().tokenizer, "source")
    with pytest.raises(SettingError, match="--samples = 3: the run has no language tags"):
        command(str(run.path), by="language", samples=3)


def test_a_text_that_cannot_be_read_is_told_without_a_setting_that_nobody_takes(
    tiny_base: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "old.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"FILE > NEW; mend it, or take it out$"):
        gu.evaluate(tiny_base, data=texts, say=quiet)
    with pytest.raises(DataError, match=r"FILE > NEW; mend it, or take it out$"):
        evaluate_against(tiny_base, tiny_base, data=texts, say=quiet)


def test_a_model_of_no_run_keeps_nothing(run: TrainedRun, text_file: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run.path / "model", tmp_path / "alone")
    gu.evaluate(alone, data=text_file, metrics="loss", say=quiet)
    assert not (tmp_path / "evaluations").exists()


def test_a_run_that_cannot_be_written_is_still_measured(tiny_recipe: Path, tmp_path: Path) -> None:
    run = gu.train(tiny_recipe, ["training.max_steps=1"], run=tmp_path / "run", say=quiet)
    (run.path / "evaluations").write_text("in the way")
    said: list[str] = []
    assert gu.evaluate(run.path, metrics="loss", say=said.append)["loss"] > 0
    assert any("the figures are not kept with the run" in line for line in said)


def test_two_models_over_the_same_text(run: TrainedRun, other: TrainedRun) -> None:
    found = evaluate_against(run.path, other.path, say=quiet)
    loss = found["figures"]["loss"]
    assert loss["a"] == pytest.approx(gu.evaluate(run.path, say=quiet)["loss"])
    assert loss["difference"]["high"] < 0
    assert loss["p"] < 0.001
    assert kept(run, "validation-against-other")["figures"]["figures"]["loss"]["p"] == loss["p"]
    same = evaluate_against(run.path, run.path / "model", say=quiet)["figures"]
    assert (same["bits_per_byte"]["difference"]["value"], same["bits_per_byte"]["p"]) == (0, 1)


def test_models_with_other_tokens_are_compared_by_bytes(run: TrainedRun, tiny_base: Path, rows_file: Path) -> None:
    found = evaluate_against(run.path, tiny_base, data=rows_file, say=quiet)
    assert list(found["figures"]) == ["bits_per_byte"]
    one = found["figures"]["bits_per_byte"]
    assert one["b"] == pytest.approx(gu.evaluate(tiny_base, data=rows_file, say=quiet)["bits_per_byte"])
    with pytest.raises(DataError, match="cannot spell its whole held-out text"):
        evaluate_against(run.path, tiny_base, say=quiet)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    rows = [
        {"prompt": "You may ", "reference": "copy the work"},
        {"prompt": "The ", "references": ["License", "Work"]},
        {"messages": [{"role": "user", "content": "Who may"}], "reference": "You"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_a_model_writes_is_held_against_references(run: TrainedRun, questions: Path, tmp_path: Path) -> None:
    figures = evaluate_generations(run.path, questions, max_new_tokens=12, say=quiet)
    model = run.load()
    assert figures["texts"] == [
        model.generate("You may ", temperature=0, max_new_tokens=12),
        model.generate("The ", temperature=0, max_new_tokens=12),
        model.chat([{"role": "user", "content": "Who may"}], temperature=0, max_new_tokens=12),
    ]
    assert kept(run, "generations-questions")["figures"]["bleu"] == figures["intervals"]["bleu"]
    written = tmp_path / "written.jsonl"
    written.write_text("".join(json.dumps({"prediction": text}) + "\n" for text in figures["texts"]), encoding="utf-8")
    again = evaluate_generations(None, questions, written, say=quiet)
    assert again["intervals"] == figures["intervals"]
    compared = evaluate_against(run.path, run.path, references=questions, max_new_tokens=12, say=quiet)
    assert compared["figures"]["rouge_l"]["p"] == 1


def test_replies_are_written_side_by_side(tiny_base: Path) -> None:
    """As `chat` gives them one by one."""
    model = gu.load(tiny_base)
    model.chat_template = ChatTemplate(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:", {}
    )
    asked = ["Who?", "Where is the License, and what does it say?", "You"]
    rows = [ReferenceRow([{"role": "user", "content": text}], ("",)) for text in asked]
    alone = [model.chat([{"role": "user", "content": text}], temperature=0, max_new_tokens=9) for text in asked]
    assert write(model, rows, 9) == alone


def test_a_prompt_that_cannot_be_asked_is_named(run: TrainedRun) -> None:
    rows = [ReferenceRow("You", ("",)), ReferenceRow("half \ud800", ("",))]
    with pytest.raises(GenerationError, match=r"item 2 cannot be asked: character 5 of the text is U\+D800"):
        write(gu.load(run.path), rows, 3)


def test_rows_that_cannot_be_used_are_named(questions: Path, tmp_path: Path) -> None:
    file = tmp_path / "file.jsonl"

    def refused(text: str, match: str, references: bool = False) -> None:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(GroundupError, match=match):
            evaluate_generations(None, file if references else questions, file, say=quiet)

    refused('{"prediction": "a"}\n', r"has 1 predictions and .* references for 3: give one for each")
    refused('{"answer": "a"}\n', r"line 1 of .* has no prediction")
    refused('{"prediction": "a"}\n[1]\n', r"line 2 of .* is not an object")
    refused("{\n", r"line 1 of .* is not JSON")
    refused("", "is empty: give at least one row")
    refused('{"prediction": "a"}\n', r"line 1 of .* has no reference: write it as", references=True)
    refused('{"references": []}\n', r"has no reference", references=True)
    for row in ('{"reference": "a"}', '{"prompt": ["a"], "reference": "a"}', '{"messages": "a", "reference": "a"}'):
        file.write_text(row)
        with pytest.raises(DataError, match=r"line 1 of .* has no prompt"):
            evaluate_generations("any", file, say=quiet)
    file.write_text('{"messages": [{"role": "user"}], "reference": "a"}')
    with pytest.raises(DataError, match=r"line 1 of .*: messages\[0\] = .* write it as"):
        evaluate_generations("any", file, say=quiet)
    with pytest.raises(DataError, match="cannot be read"):
        evaluate_generations(None, tmp_path / "none.jsonl", file, say=quiet)
    with pytest.raises(SettingError, match="give either a model, which writes, or a file"):
        evaluate_generations(None, file, say=quiet)
    lines = tmp_path / "lines.txt"
    lines.write_text("one\n\nthree\n")
    with pytest.raises(DataError, match="has lines of references without prompts"):
        evaluate_generations("any", lines, say=quiet)
    said: list[str] = []
    assert evaluate_generations(None, lines, lines, say=said.append)["items"] == 3
    lines.write_text("東京は雨だ。\nYes.\n", encoding="utf-8")
    evaluate_generations(None, lines, lines, say=said.append)
    assert "so BLEU takes whole sentences for words: go by chrF" in said.pop()
    assert said == [
        "warning: 1 of 3 texts are empty, and count as such",
        "warning: 1 of 3 items have nothing but empty references, and count as such",
    ]


def test_the_command_prints_figures_with_intervals(
    run: TrainedRun, other: TrainedRun, questions: Path, rows_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(str(run.path), data=[str(rows_file)], by="length", metrics="loss,accuracy")
    told = capsys.readouterr().out
    assert " to " in told
    assert "up to 1 kB" in told
    assert "intervals: 95 %, over documents" in told
    command(str(run.path), against=str(other.path))
    assert "< 0.001" in capsys.readouterr().out
    command(str(run.path), against=str(other.path), as_json=True)
    assert json.loads(capsys.readouterr().out)["figures"]["loss"]["p"] < 0.001
    command(str(run.path), references=questions, max_new_tokens=4)
    assert "bleu: nrefs:var|case:mixed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "MODEL = '': name a model"),
        ({"predictions": Path("p")}, "hold them against with --references"),
        ({"model": "m", "predictions": Path("p"), "references": Path("r")}, "so leave out the model"),
        ({"model": "m", "max_new_tokens": 3}, "--max-new-tokens = 3: texts are written with --references only"),
        (
            {"model": "m", "against": "n", "by": "length"},
            "--by = 'length': two models are compared by all figures; leave it out",
        ),
        ({"model": "m", "references": Path("r"), "window": 8}, "--window = 8: what is written is measured, not a text"),
        ({"model": "m", "against": "n", "metrics": "loss"}, "leave it out with --against"),
        ({"model": "m", "against": "n", "max_new_tokens": 3}, "--max-new-tokens = 3: two models are compared"),
        ({"model": "m", "against": "n", "references": Path("r"), "data": ["d"]}, r"--data = \['d'\]: two models"),
        (
            {"against": "n", "predictions": Path("p"), "references": Path("r")},
            "--against = 'n': these were written before",
        ),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingError, match=match):
        command(**options)

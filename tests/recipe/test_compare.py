"""From prompts and two models to a study: what they answer, how it goes on, and what can't be one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.errors import DataError, GenerationError, ModelError, SettingError
from groundup.evaluation.human.study import Study
from groundup.language_model import LanguageModel
from groundup.recipe.compare import answer, open_study, read_prompts
from groundup.text.conversations import preference_of

FIELDS = {"max_new_tokens": 5, "temperature": 0.0, "seed": 0}


def silent(text: str) -> None:
    pass


def test_each_model_answers_each_prompt_once(tiny_base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(tiny_base)
    prompts = ["Work", [{"role": "user", "content": "What?"}]]
    study = open_study(tmp_path / "study.sqlite", [str(tiny_base), str(other)], prompts, ["helpful"], FIELDS)
    study.add_answer(0, 0, "kept")
    said: list[str] = []
    answer(study, said.append)
    assert said == [f"{tiny_base} answers 1 prompt", f"{other} answers 2 prompts"]
    answers, model = study.answers(), LanguageModel.load(tiny_base)
    assert answers[0, 0] == "kept"
    assert answers[0, 1] == model.generate("Work", **FIELDS)
    assert answers[1, 0] == answers[1, 1] == model.chat(prompts[1], **FIELDS)  # type: ignore[arg-type]
    answer(study, said.append)
    assert len(said) == 2  # there was nothing left to answer
    assert study.identical() == 1


def test_a_prompt_that_a_model_cannot_read_is_named(tiny_base: Path, tmp_path: Path) -> None:
    study = open_study(tmp_path / "study.sqlite", [str(tiny_base), "other"], ["x " * 500], ["helpful"], FIELDS)
    with pytest.raises(ModelError, match="other is not a model"):
        answer(study, silent)  # before anything is answered
    study = open_study(study.path, [str(tiny_base), str(tiny_base.parent)], ["x " * 500], ["helpful"], FIELDS)
    (tiny_base.parent / "config.json").touch()
    with pytest.raises(GenerationError, match="cannot answer prompt 1: "):
        answer(study, silent)


def test_prompts_are_lines_or_rows(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Who?\n\nWhat?\r\n", encoding="utf-8")
    assert read_prompts(tmp_path / "a.txt") == ["Who?", "What?"]
    messages = [{"role": "user", "content": "Who?"}]
    (tmp_path / "a.jsonl").write_text(f'{{"prompt": "Who?"}}\n{json.dumps({"messages": messages})}\n')
    assert read_prompts(tmp_path / "a.jsonl") == ["Who?", messages]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", b"\n \n", "has no prompts: write one a line"),
        ("a.txt", b"\xff\xfe\xff", "it is not UTF-8 text"),
        ("a.jsonl", b'{"prompt": "x"}\n{', "line 2 is no JSON"),
        ("a.jsonl", b'{"question": "x"}', 'line 1 has neither a "prompt"'),
        ("a.jsonl", b'{"messages": [{"role": "king", "content": "x"}]}', 'line 1 has neither a "prompt"'),
        ("a.jsonl", b"[1]", 'line 1 has neither a "prompt"'),
        ("a.txt", b"Who?\n\nWhat?\nWho?\r\n", r"line 4 asks what line 1 asks: take one of them out"),
        ("a.json", b'["Who?"]', r"of no kind that is read: name a \.txt or \.jsonl file"),
    ],
)
def test_what_is_no_prompt_is_named_by_its_line(tmp_path: Path, name: str, text: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(DataError, match=told):
        read_prompts(tmp_path / name)


def test_another_study_in_the_same_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    with pytest.raises(DataError, match="is not there yet: name the prompts"):
        open_study(path, ["a", "b"])
    open_study(path, ["a", "misspelt"], ["Who?"])
    study = open_study(
        path, ["a", "b"], ["Who?"], ["polite"], {"temperature": 0.0}
    )  # nothing of the other had been answered
    assert study.generation == {"max_new_tokens": 200, "temperature": 0.0, "seed": 0}
    study.add_answer(0, 0, "I.")
    assert open_study(path, ["a", "b"]).criteria == ["polite"]  # what is left out is as it was
    for given, told in (
        ((["a", "c"],), "compares a and b, not a and c: name another file with --study"),
        ((["a", "b"], ["What?"]), "was begun with other prompts"),
        ((["a", "b"], None, ["honest"]), "asks for polite, not honest"),
        ((["a", "b"], None, None, {"seed": 1}), "was begun with seed = 0, not 1"),
    ):
        with pytest.raises(DataError, match=told):
            open_study(path, *given)


def test_results_and_rows_as_they_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    study = Study.create(path, ["a", "b"], ["Who?", "What?"], ["helpful", "harmless", "honest"])
    typed = ["compare", "a", "b", "--study", str(path)]
    assert "has no ratings yet" in str(CliRunner().invoke(app, [*typed, "--results"]).exception)
    for prompt in range(2):
        for model, text in enumerate("ab"):
            study.add_answer(prompt, model, text)
        shown = study.next_for("Rosa")
        assert shown is not None
        better = "left" if shown.left == "a" else "right"
        study.rate("Rosa", shown.pair, better, {name: [4, 2] for name in study.criteria})  # type: ignore[arg-type]
        if prompt == 0:
            first = CliRunner().invoke(app, [*typed, "--results"])  # of a single prompt nobody can say how sure it is
            assert first.exit_code == 0, first.exception
            assert "1 rating of 1 pair, 2 prompts; by Rosa 1" in first.output
    table = CliRunner().invoke(app, [*typed, "--results"])
    assert table.exit_code == 0, table.output
    for told in ("2 ratings of 2 pairs, 2 prompts; by Rosa 2", "100 %", "one rater agrees with nobody", "other raters"):
        assert told in table.output
    figures = json.loads(CliRunner().invoke(app, [*typed, "--results", "--json"]).output)
    assert figures["preferences"][0]["a_preferred"] == 2
    rows = tmp_path / "pairs.jsonl"
    assert "2 rows" in CliRunner().invoke(app, [*typed, "--preferences", str(rows)]).output
    pairs = [preference_of(json.loads(line), "row") for line in rows.read_text().splitlines()]
    assert {(pair.chosen, pair.rejected) for pair in pairs} == {("a", "b")}
    assert isinstance(CliRunner().invoke(app, [*typed, "--json"]).exception, SettingError)
    assert "name two models or more" in str(CliRunner().invoke(app, ["compare", "a"]).exception)

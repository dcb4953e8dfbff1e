"""Task files, and what is asked of each row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundup.errors import DataError, SettingError
from groundup.evaluation.tasks.items import Item, read_items
from groundup.evaluation.tasks.settings import read_task

ROWS = [
    {"q": "2+2?", "options": ["3", "4"], "right": 1, "word": "four", "yes": True},
    {"q": "1+1?", "options": ["2", "11"], "right": 0, "word": "two", "yes": False},
    {"q": "3-3?", "options": ["0", "33"], "right": 0, "word": "none", "yes": False},
]


def task(folder: Path, text: str, rows: list[dict[str, Any]] | None = None) -> list[Item]:
    """The items of a task file beside rows.jsonl."""
    lines = [json.dumps(row) for row in (ROWS if rows is None else rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "sums.toml").write_text('data = "rows.jsonl"\n' + text, encoding="utf-8")
    return read_items(read_task(folder / "sums.toml"))


CHOOSE = 'prompt = "{{q}}"\nchoices = "options"\nanswer = "right"\n'


def test_columns_by_their_names_and_templates(tmp_path: Path) -> None:
    items = task(tmp_path, CHOOSE)
    assert items[0] == Item(f"{tmp_path / 'rows.jsonl'}, line 1", "2+2?", ("3", "4"), 1)
    assert [item.right for item in items] == [1, 0, 0]


@pytest.mark.parametrize(
    ("choices", "answer", "expected"),
    [
        ('["{{options[0]}}", "{{options[1]}}"]', '"{{options[right]}}"', (("3", "4"), 1)),  # a text of the choices
        ("'{{options}}'", '"{{right}}"', (("3", "4"), 1)),  # a template's list, a template's number
        ('["no", "yes"]', '"yes"', (("no", "yes"), 1)),  # a column of true and false
        ('["no", "yes"]', "0", (("no", "yes"), 0)),
    ],
)
def test_ways_to_name_the_right_choice(tmp_path: Path, choices: str, answer: str, expected: tuple[Any, int]) -> None:
    item = task(tmp_path, f'prompt = "{{{{q}}}}"\nchoices = {choices}\nanswer = {answer}\n')[0]
    assert (item.choices, item.right) == expected


def test_examples_come_first_with_their_answers_and_never_the_row_itself(tmp_path: Path) -> None:
    items = task(tmp_path, CHOOSE + 'shots = 1\ndescription = "Sums.\\n\\n"\n')
    assert items[0].prompt == "Sums.\n\n1+1? 2\n\n2+2?"
    assert items[1].prompt == "Sums.\n\n2+2? 4\n\n1+1?"


def test_examples_out_of_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text(json.dumps({"q": "5?", "word": "five"}), encoding="utf-8")
    text = (
        'kind = "generate_until"\nprompt = "{{q}}"\nanswer = "word"\nshots = 1\nshots_data = "shots.jsonl"\nlimit = 2\n'
    )
    items = task(tmp_path, text + 'shot_delimiter = " | "\ntarget_delimiter = "="\n')
    assert [item.prompt for item in items] == ["5?=five | 2+2?", "5?=five | 1+1?"]
    assert items[0].answers == ("four",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"choices = \(\): multiple_choice needs them: name a column"),
        ('choices = ["a", "b"]', "answer = '': name a column, or write a template"),
        (CHOOSE + "shots = -1", "shots = -1: use a whole number"),
        (CHOOSE + "limit = -1", "limit = -1: use a whole number"),
        (CHOOSE + "max_new_tokens = 0", "max_new_tokens = 0: use a whole number of at least 1"),
        (CHOOSE + 'until = [""]', "would end an answer at once"),
        (CHOOSE + 'extract = "("', r"extract = '\(': this is no regular expression"),
        (CHOOSE + 'ignore = ["a", "["]', r"ignore = '\[': this is no regular expression"),
        (CHOOSE + "extract_last = true", "extract_last = True: nothing is extracted; set extract"),
        (CHOOSE + "shots_seed = 1", "shots_seed = 1: no rows are shown; set shots"),
        ('kind = "loglikelihood"\nanswer = "q"\nending = "e"', "ending = 'e': loglikelihood has no choices before one"),
        (CHOOSE + 'kind = "loglikelihood"', "loglikelihood has none; leave them out"),
        ('kind = "loglikelihood_rolling"\nanswer = "q"\nprompt = "p"', "scores the answer alone"),
        (CHOOSE + "promt = 1", r"sums.toml: promt: there is no such setting; did you mean prompt\?"),
        ('kind = "choose"', "kind = 'choose'"),
        ("kind = ", "this is not valid TOML"),
    ],
)
def test_a_task_file_that_says_nothing_sensible(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as error:
        task(tmp_path, text)
    assert str(tmp_path / "sums.toml") in str(error.value)


def test_a_task_file_or_rows_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"task .*none\.toml: the file cannot be read"):
        read_task(tmp_path / "none.toml")
    (tmp_path / "t.toml").write_text('data = "none.jsonl"\n' + CHOOSE)
    with pytest.raises(DataError, match=r"none\.jsonl"):
        read_items(read_task(tmp_path / "t.toml"))
    (tmp_path / "t.toml").write_text('data = "rows.txt"\n' + CHOOSE)
    with pytest.raises(DataError, match=r"rows\.txt is no file of rows: name one that ends in"):
        read_items(read_task(tmp_path / "t.toml"))
    (tmp_path / "t.toml").write_text(CHOOSE)
    with pytest.raises(SettingError, match="data = '': name the file"):
        read_task(tmp_path / "t.toml")


@pytest.mark.parametrize(
    ("text", "rows", "message"),
    [
        (CHOOSE, [{"q": "?", "right": 0}], r"line 1: choices gives 'options', which should be a list of texts"),
        (CHOOSE, [{"q": "?", "options": ["a", 2], "right": 0}], r"choices gives \['a', 2\], which should be a list"),
        (CHOOSE, [{"q": "?", "options": ["a", ""], "right": 0}], "at least two texts, none of them empty"),
        (CHOOSE, [{"q": "?", "options": ["a", "b"], "right": 2}], "answer gives 2, which is none of the choices"),
        (CHOOSE, [{"q": "?", "options": ["a", "b"], "right": "c"}], "answer gives 'c', which is none .* 0 to 1"),
        (
            CHOOSE,
            [{"Q": "?", "options": ["a", "b"], "right": 0}],
            "needs another column .*'q' is undefined.*Q, options",
        ),
        ('prompt = "{{q"\nchoices = "options"\nanswer = 0', ROWS, "can't be filled in"),
        ('prompt = "{{q/0}}"\nchoices = "options"\nanswer = 0', ROWS, "can't be filled in .TypeError"),
        (CHOOSE + 'ending = "q"', [{"q": "", "options": ["a", "b"], "right": 0}], "ending gives an empty text"),
        (CHOOSE + "shots = 3\nshots_seed = 1", ROWS, "shots = 3, and there are 2 other rows to show: use fewer"),
        (CHOOSE + "shots = 2\nshots_seed = 1", [ROWS[0]] * 3, "shots = 2, and there are 0 other rows to show"),
        (CHOOSE + "shots = 3", ROWS, "shots = 3, and there are 2 other rows to show: use fewer"),
        ('kind = "loglikelihood"\nanswer = "options"', ROWS, "answer gives 2 texts, and loglikelihood scores one"),
        ('kind = "loglikelihood"\nanswer = "q"', [{"q": ""}], "answer gives an empty text"),
        (CHOOSE, [], "has no rows"),
    ],
)
def test_rows_that_a_task_does_not_fit(tmp_path: Path, text: str, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(tmp_path, text, rows)


def test_a_line_that_is_no_row_ends_it(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"q": 1}\n[]\n', encoding="utf-8")
    (tmp_path / "t.toml").write_text('data = "rows.jsonl"\n' + CHOOSE)
    with pytest.raises(DataError, match=r"line 2 is not a JSON object .*: mend the file, or get it again"):
        read_items(read_task(tmp_path / "t.toml"))


def test_a_template_may_not_leave_its_sandbox(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"can't be filled in .SecurityError"):
        task(tmp_path, 'prompt = "{{q.__class__.__mro__}}"\nchoices = "options"\nanswer = 0')

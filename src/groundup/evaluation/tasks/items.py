"""From a task's rows to what is asked: prompts with their examples, choices and answers. Made as lm-eval makes them."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from groundup.errors import DataError
from groundup.evaluation.tasks.settings import Task, TaskSettings
from groundup.text.bad_input import BadInput
from groundup.text.formats import File, read_rows, row_reader
from groundup.text.rows import ROW_READERS

_TEMPLATES = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


class Item(NamedTuple):
    """One row of a task."""

    place: str
    """Where it stands: `questions.jsonl, line 12`."""
    prompt: str
    """All that stands before what is scored or generated, examples too."""
    choices: tuple[str, ...] = ()
    """Of multiple choice, without the delimiter."""
    right: int = 0
    """The right one's place among them."""
    ending: str = ""
    """What is scored after each of the choices; if empty, they are scored themselves."""
    answers: tuple[str, ...] = ()
    """Of the other kinds: the text that is scored, or those of which one is to be generated."""


class Row(NamedTuple):
    """A row of a file."""

    place: str
    columns: Mapping[str, Any]


class _Refuse(BadInput):
    """What can't be read ends it: a benchmark with a row left out would be another one."""

    def __call__(self, message: str, reason: str) -> None:
        raise DataError(f"{message}: mend the file, or get it again")


def read_items(task: Task) -> list[Item]:
    """What a task asks, row by row. Raises `DataError` that names the row for one that its templates don't fit."""
    settings = task.settings
    rows = _read(task.folder, settings.data)
    pool = _read(task.folder, settings.shots_data) if settings.shots_data else rows
    asked, generator = rows[: settings.limit or len(rows)], Random(settings.shots_seed)
    return [_item(settings, row, _before(settings, row, _shown(settings, pool, row, generator))) for row in asked]


def _read(folder: Path, data: str) -> list[Row]:
    path = folder / Path(data).expanduser()
    file = File(path.name, path, str(path), named=True)
    if row_reader(file) is None:
        raise DataError(f"{path} is no file of rows: name one that ends in {', '.join(ROW_READERS)}")
    rows = [Row(f"{path}, {place}", columns) for place, columns in read_rows(file, _Refuse())]
    if not rows:
        raise DataError(f"{path} has no rows: name a file with at least one")
    return rows


def _shown(settings: TaskSettings, pool: list[Row], row: Row, generator: Random) -> list[Row]:
    """The rows that are shown before one: the first of the pool, or drawn as lm-eval draws them; out of its own file, none that is
    equal to it."""
    apart = bool(settings.shots_data)
    others = (other for other in pool if apart or other.columns != row.columns)
    most = settings.shots if apart else settings.shots + 1  # one to spare, should the row itself be drawn
    if not settings.shots_seed or len(pool) < most:
        shown = list(islice(others, settings.shots))
    else:
        shown = [other for other in generator.sample(pool, most) if apart or other.columns != row.columns][
            : settings.shots
        ]
        if len(shown) < settings.shots:  # several are equal to it
            different = list(others)
            shown = generator.sample(different, min(settings.shots, len(different)))
    if len(shown) < settings.shots:
        raise DataError(f"shots = {settings.shots}, and there are {len(shown)} other rows to show: use fewer")
    return shown


def _before(settings: TaskSettings, row: Row, shown: list[Row]) -> str:
    """The description and the examples."""
    description = _text(settings.description, row, "description") if settings.description else ""
    return description + "".join(_example(settings, example) for example in shown)


def _example(settings: TaskSettings, row: Row) -> str:
    prompt = _text(settings.prompt, row, "prompt")
    if settings.kind == "multiple_choice":
        choices = _choices(settings, row)
        answer = choices[_right(settings, row, choices)]
        if settings.ending:
            prompt, answer = prompt + answer, _ending(settings, row)
    else:
        answer = _answers(settings, row)[0]
    delimiter = settings.target_delimiter if answer else ""
    return prompt + delimiter + answer + settings.shot_delimiter


def _item(settings: TaskSettings, row: Row, before: str) -> Item:
    prompt = before + _text(settings.prompt, row, "prompt")
    if settings.kind != "multiple_choice":
        return Item(row.place, prompt, answers=_answers(settings, row))
    choices = _choices(settings, row)
    ending = _ending(settings, row) if settings.ending else ""
    return Item(row.place, prompt, choices, _right(settings, row, choices), ending)


def _ending(settings: TaskSettings, row: Row) -> str:
    ending = _text(settings.ending, row, "ending")
    if not ending:
        raise DataError(f"{row.place}: ending gives an empty text, and there is nothing to score in one")
    return ending


def _choices(settings: TaskSettings, row: Row) -> tuple[str, ...]:
    if isinstance(settings.choices, str):
        choices = _value(settings.choices, row, "choices")
        if isinstance(choices, str):  # a template's text, such as ['yes', 'no']
            with contextlib.suppress(
                ValueError, SyntaxError, MemoryError, RecursionError
            ):  # it is none, which is said below
                choices = ast.literal_eval(choices)
    else:
        choices = [_filled(choice, row, "choices") for choice in settings.choices]
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise DataError(f"{row.place}: choices gives {_short(choices)}, which should be a list of texts")
    if len(choices) < 2 or not all(choices):
        raise DataError(
            f"{row.place}: choices gives {_short(choices)}, which should be at least two texts, none of them empty"
        )
    return tuple(choices)


def _right(settings: TaskSettings, row: Row, choices: tuple[str, ...]) -> int:
    answer = _value(settings.answer, row, "answer")
    place: Any = answer
    if isinstance(answer, str) and re.fullmatch("[0-9]{1,9}", answer) and settings.answer not in row.columns:
        place = int(answer)  # a template's number, which it can only write as text
    if isinstance(place, int) and 0 <= place < len(choices):
        return int(place)  # true is the second choice, as it is for lm-eval
    if answer in choices:
        return choices.index(answer)
    raise DataError(
        f"{row.place}: answer gives {_short(answer)}, which is none of the choices {_short(list(choices))}, nor the place of one: "
        f"0 to {len(choices) - 1}"
    )


def _answers(settings: TaskSettings, row: Row) -> tuple[str, ...]:
    answer = _value(settings.answer, row, "answer")
    answers = [str(each) for each in answer] if isinstance(answer, list) else [str(answer)]
    if len(answers) != 1 and (not answers or settings.kind != "generate_until"):
        raise DataError(f"{row.place}: answer gives {len(answers)} texts, and {settings.kind} scores one")
    if settings.kind != "generate_until" and not answers[0]:
        raise DataError(f"{row.place}: answer gives an empty text, and there is nothing to score in one")
    return tuple(answers)


def _text(template: str, row: Row, key: str) -> str:
    return str(_value(template, row, key))


def _value(template: str | int, row: Row, key: str) -> Any:
    """A column's value by its name, or the text of a template."""
    if isinstance(template, int):
        return template
    return row.columns[template] if template in row.columns else _filled(template, row, key)


def _filled(template: str, row: Row, key: str) -> str:
    """The text of a template."""
    try:
        return _compiled(template).render(**row.columns)
    except jinja2.UndefinedError as error:
        there = ", ".join(row.columns) or "none"
        raise DataError(
            f"{row.place}: {key} = {template!r} needs another column ({error}); there are: {there}"
        ) from None
    except Exception as error:  # whatever a template's operations may raise
        raise DataError(
            f"{row.place}: {key} = {template!r} can't be filled in ({type(error).__name__}: {error})"
        ) from None


@lru_cache(maxsize=64)
def _compiled(template: str) -> jinja2.Template:
    return _TEMPLATES.from_string(template)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else shown[:200] + "…"

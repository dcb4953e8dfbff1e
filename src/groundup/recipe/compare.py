"""A study of what models write: its prompts are read, each model answers them, and people's ratings become figures and rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from groundup.errors import DataError, GenerationError
from groundup.evaluation.human.results import preference_rows
from groundup.evaluation.human.study import CRITERIA, Study
from groundup.files import replacing
from groundup.language_model import LanguageModel
from groundup.language_model.locate import find_model

Say = Callable[[str], None]
GENERATION = {"max_new_tokens": 200, "temperature": 0.7, "seed": 0}
"""How answers are written, unless something else is asked for."""


def read_prompts(path: Path) -> list[Any]:
    """A prompt a line of a .txt file; of a .jsonl file each row's `prompt`, a text, or `messages`. Empty lines are nothing.

    Raises `DataError` naming the line, also of a prompt that stands there twice: it would count as two, and tells no more than one.
    """
    if path.suffix not in (".txt", ".jsonl"):
        raise DataError(f"the prompts {path} are of no kind that is read: name a .txt or .jsonl file")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"the prompts {path} cannot be read ({reason}): name a .txt or .jsonl file") from error
    places = dict[str, int]()
    prompts = list[Any]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        prompt = _prompt(line, f"{path}, line {number}") if path.suffix == ".jsonl" else line.rstrip("\r")
        first = places.setdefault(json.dumps(prompt), number)
        if first != number:
            raise DataError(f"{path}, line {number} asks what line {first} asks: take one of them out")
        prompts.append(prompt)
    if not prompts:
        raise DataError(f"{path} has no prompts: write one a line")
    return prompts


def _prompt(line: str, place: str) -> Any:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f'{place} is no JSON: a row is e.g. {{"prompt": "Who wrote Hamlet?"}}') from error
    if isinstance(row, dict):
        if isinstance(row.get("prompt"), str) and row["prompt"].strip():
            return row["prompt"]
        messages = row.get("messages")
        if isinstance(messages, list) and messages and all(_is_message(message) for message in messages):
            return messages
    raise DataError(f'{place} has neither a "prompt", a text, nor "messages", a list of role and content')


def _is_message(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in ("system", "user", "assistant")
        and isinstance(message.get("content"), str)
    )


def open_study(
    path: Path,
    models: Sequence[str],
    prompts: Sequence[Any] | None = None,
    criteria: Sequence[str] | None = None,
    generation: Mapping[str, Any] | None = None,
) -> Study:
    """The study at `path`, gone on with, or begun. What is left out is as the study has it, or else as `CRITERIA` and `GENERATION` say.

    Raises `DataError` where it is another one.
    """
    generation = generation or {}
    begun = path.exists() and bool(
        Study.open(path).answers()
    )  # one that nobody has answered yet may still become another
    if not begun and prompts is not None:
        return Study.create(path, models, prompts, criteria or CRITERIA, {**GENERATION, **generation})
    if not path.exists():
        raise DataError(f"{path} is not there yet: name the prompts to begin the study with, --prompts FILE")
    study = Study.open(path)
    another = "name another file with --study"
    if study.models != list(models):
        raise DataError(f"{path} compares {' and '.join(study.models)}, not {' and '.join(models)}: {another}")
    if prompts is not None and list(study.prompts().values()) != list(prompts):
        raise DataError(f"{path} was begun with other prompts: leave --prompts out, or {another}")
    if criteria is not None and list(criteria) != study.criteria:
        raise DataError(f"{path} asks for {', '.join(study.criteria)}, not {', '.join(criteria)}: {another}")
    for name, value in generation.items():
        if study.generation.get(name) != value:
            raise DataError(f"{path} was begun with {name} = {study.generation.get(name)}, not {value}: {another}")
    return study


def answer(study: Study, say: Say) -> None:
    """Let each model answer what it has not answered. A conversation, and every prompt of a model that chats, is answered as a chat."""
    lacking = {number: missing for number in range(len(study.models)) if (missing := study.missing(number))}
    for number in lacking:
        find_model(study.models[number])  # a misspelt one is told before another has answered
    for number, missing in lacking.items():
        name = study.models[number]
        say(f"{name} answers {len(missing):,} prompt{'' if len(missing) == 1 else 's'}")
        language_model, prompts = LanguageModel.load(name), study.prompts()
        for prompt in missing:
            try:
                study.add_answer(prompt, number, _answer(language_model, prompts[prompt], study.generation))
            except GenerationError as error:
                raise GenerationError(f"{name} cannot answer prompt {prompt + 1}: {error}") from error


def _answer(language_model: LanguageModel, prompt: Any, fields: dict[str, Any]) -> str:
    if isinstance(prompt, list):
        return language_model.chat(prompt, **fields)
    if language_model.chat_template is not None:
        return language_model.chat([{"role": "user", "content": prompt}], **fields)
    return language_model.generate(prompt, **fields)


def write_preferences(study: Study, path: Path) -> int:
    """Write the rows that preference tuning reads, as JSON lines; how many. Raises `DataError` where there are none."""
    rows = list(preference_rows(study))
    if not rows:
        raise DataError(
            f"{study.path} has no pair of two answers of which more raters preferred one: there are no rows to write"
        )
    with replacing(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    return len(rows)

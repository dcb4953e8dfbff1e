"""Files of prompts with references, and of predictions: rows of jsonl, or of plain text a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.errors import DataError, GenerationError
from groundup.language_model.chat import check_messages

TEXT_SUFFIXES = (".txt", ".text")


@dataclass(frozen=True)
class ReferenceRow:
    """What is asked, and what would be a right answer."""

    prompt: str | Sequence[Mapping[str, str]] | None
    """A text to go on with, or the messages of a conversation to reply to; None in a file that has references only."""
    references: tuple[str, ...]


def read_references(path: Path, prompts: bool) -> list[ReferenceRow]:
    """Rows with `reference` (a text) or `references` (a list), and `prompt` (a text) or `messages`, which are needed if there are to be
    `prompts`; of a .txt file each line is a reference. Raises `DataError` naming the line of a row that isn't one."""
    if path.suffix in TEXT_SUFFIXES:
        if prompts:
            raise DataError(
                f"{path} has lines of references without prompts: give rows of jsonl, or --predictions as well"
            )
        return [ReferenceRow(None, (line,)) for line in _lines(path)]
    return [_reference_row(row, where, prompts) for where, row in _rows(path)]


def read_predictions(path: Path) -> list[str]:
    """The `prediction` of each row of jsonl, or each line of a .txt file; an empty one is a prediction, too."""
    if path.suffix in TEXT_SUFFIXES:
        return _lines(path)
    found = []
    for where, row in _rows(path):
        if not isinstance(row.get("prediction"), str):
            raise DataError(f'{where} has no prediction: write it as {{"prediction": "the text"}}, which may be empty')
        found.append(row["prediction"])
    return found


def _reference_row(row: Mapping[str, Any], where: str, prompts: bool) -> ReferenceRow:
    references = [row["reference"]] if "reference" in row else row.get("references")
    if not isinstance(references, list) or not references or not all(isinstance(each, str) for each in references):
        raise DataError(
            f'{where} has no reference: write it as {{"prompt": "…", "reference": "the right answer"}}, or a list of them in "references"'
        )
    prompt = row.get("messages", row.get("prompt"))
    if prompts and not isinstance(prompt, list if "messages" in row else str):
        raise DataError(f'{where} has no prompt: write it as {{"prompt": "the text to go on with", "reference": "…"}}')
    if prompts and "messages" in row:
        try:
            check_messages(row["messages"])
        except GenerationError as error:
            raise DataError(f"{where}: {error}") from error
    return ReferenceRow(prompt, tuple(references))


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        where = f"line {number} of {path}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not JSON ({error}): write one object a line") from error
        if not isinstance(row, dict):
            raise DataError(f"{where} is not an object: write one a line, in curly brackets")
        yield where, row


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise DataError(
            f"{path} cannot be read ({reason}): name a file of jsonl, or of text with a line for each"
        ) from error
    lines = text.removesuffix("\n").split("\n") if text else []
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} is empty: give at least one row")
    return [line.removesuffix("\r") for line in lines]

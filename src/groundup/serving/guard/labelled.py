"""Rows with a text and a label: 1 for what a guard is to find, 0 for what it is to leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from groundup.errors import DataError
from groundup.text.bad_input import BadInput
from groundup.text.formats import File, read_rows, row_reader
from groundup.text.rows import ROW_READERS

MEANINGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
LONGEST_SHOWN = 40


class Labelled(NamedTuple):
    """One row."""

    text: str
    label: bool


def read_labelled(path: Path) -> list[Labelled]:
    """The rows of a file of rows (JSON lines, CSV and so on) with the columns `text` and `label`. Raises `DataError` for any other."""
    file = File(path.name, path, str(path), named=True)
    if row_reader(file) is None:
        raise DataError(
            f'{path} is no file of rows: name one that ends in {", ".join(ROW_READERS)}, with "text" and "label"'
        )
    rows = []
    for place, row in read_rows(file, BadInput(advice="mend it, or take it out")):
        text, label = row.get("text"), row.get("label")
        if not isinstance(text, str) or not text.strip():
            raise DataError(f'{path}, {place} has no "text"; each row needs a text and a label')
        meaning = MEANINGS.get(str(label).strip().lower())
        if meaning is None:
            shown = str(label)[:LONGEST_SHOWN]
            raise DataError(
                f"{path}, {place}: label = {shown!r}: write 1 for what is to be found and 0 for what is not"
            )
        rows.append(Labelled(text, meaning))
    if not rows:
        raise DataError(f"{path} has no rows: give it texts and labels")
    return rows

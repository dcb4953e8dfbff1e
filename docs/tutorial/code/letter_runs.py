"""Files to measure a model on, and a run of the library to be measured.

`python docs/tutorial/code/letter_runs.py` writes the files into the folder that you are in.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import re
import shlex
import tempfile
from pathlib import Path

from letters import KNOWN_LINES, NEWCOMERS, write_letters
from village import HELD_OUT_LINES, PEOPLE

import groundup as gu
from groundup.cli.main import app
from groundup.errors import GroundupError

SMALL = {
    "data.source": "village.txt",
    "model.d_model": 48,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.max_seq_len": 64,
    "training.batch_size": 8,
    "training.sample_tokens": 0,
    "training.num_threads": 1,
    "training.precision": "fp32",
}


def quiet(line: str) -> None:
    """Say nothing on the way."""


def write_files(where: Path) -> None:
    """`letters.jsonl`; a quiz, `thanks.toml` with its rows; and `questions.txt`, a prompt a line."""
    letters = write_letters(40, random.Random(5))
    sources = ["newcomers" if letter.author in NEWCOMERS else "others" for letter in letters]
    rows = [{"text": "\n".join(each.lines), "source": of} for each, of in zip(letters, sources, strict=True)]
    (where / "letters.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [(f"{line.partition(' thanked ')[0]} thanked", line.split()[0]) for line in HELD_OUT_LINES]
    quiz = [{"asked": question, "people": PEOPLE, "lender": lender} for question, lender in asked]
    (where / "thanks.jsonl").write_text("\n".join(map(json.dumps, quiz)))
    (where / "thanks.toml").write_text(
        'kind = "multiple_choice"\ndata = "thanks.jsonl"\nprompt = "asked"\nchoices = "people"\nanswer = "lender"\n'
    )
    (where / "questions.txt").write_text("\n".join(question for question, _ in asked[:20]))


@functools.cache
def folder() -> Path:
    """Where these files lie, and the run `village` with an earlier checkpoint of it."""
    made = Path(tempfile.mkdtemp())
    write_files(made)
    (made / "village.txt").write_text("\n".join(KNOWN_LINES))
    with contextlib.chdir(made), contextlib.redirect_stderr(io.StringIO()):
        steps = {"training.max_steps": 60, "training.save_steps": 45}
        gu.train("shakespeare", {**SMALL, **steps}, run="village", say=quiet)
    return made


def show(command: str, where: Path) -> str:
    """Print a command and what it prints, as a terminal in that folder would, and give it back."""
    printed = io.StringIO()
    with contextlib.chdir(where), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            app(shlex.split(command)[1:], standalone_mode=False)
        except GroundupError as error:
            print(f"groundup: {error}")
    text = "\n".join(line.rstrip() for line in re.sub(r"[0-9a-f]{64}", "…", printed.getvalue()).splitlines())
    print(f"$ {command}\n{text}\n")
    return text


if __name__ == "__main__":
    write_files(Path())

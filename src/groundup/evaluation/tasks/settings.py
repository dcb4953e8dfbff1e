"""A task as a TOML file. Imports no torch, so that a typo is answered at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groundup.config import build, read_toml, require
from groundup.errors import NO_VALUE, SettingError

Kind = Literal["multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until"]


@dataclass(frozen=True)
class TaskSettings:
    """What is asked of a model, row by row, and how its answers are judged.

    `prompt`, `choices` and `answer` are each the name of a column of the rows, or else a template of Jinja over a row, as in lm-eval's
    YAML.
    """

    kind: Kind = "multiple_choice"
    """multiple_choice: which choice is likeliest after the prompt. loglikelihood: how likely the answer is. loglikelihood_rolling: how
    likely a whole text is. generate_until: what the model writes."""
    data: str = ""
    """The rows: a .jsonl, .csv or .parquet file; a path that is not absolute begins at the task file's folder."""
    prompt: str = ""
    """What stands before that which is scored or generated."""
    choices: str | tuple[str, ...] = ()
    """Of multiple_choice: a column or a template that gives a list, or a list of templates."""
    answer: str | int = ""
    """Of multiple_choice the right choice's number, from 0, or its text; else the text that is scored, or that is to be generated (or a
    list of such)."""
    ending: str = ""
    """Of multiple_choice: what is scored after each choice, where these stand before a text that all share, as Winogrande's do."""
    description: str = ""
    """What stands before everything, once."""
    target_delimiter: str = " "
    """What stands between a prompt and a choice, and between an example and its answer."""
    shots: int = 0
    """How many rows are shown before each with their answers."""
    shots_seed: int = 0
    """0 shows the first; any other number draws them for each row anew, by this seed, as lm-eval does by 1234."""
    shots_data: str = ""
    """Where these come from; if empty, from the others of `data`."""
    shot_delimiter: str = "\n\n"
    """What stands after each of them."""
    until: tuple[str, ...] = ("\n\n",)
    """Of generate_until: texts that end an answer; the end token does, too."""
    max_new_tokens: int = 256
    """Of generate_until: the most tokens of an answer."""
    extract: str = ""
    """Of generate_until: a regular expression; the answer is what its first match holds (its group, if it has one)."""
    extract_last: bool = False
    """Of generate_until: its last match in place of the first."""
    ignore: tuple[str, ...] = ()
    """Of generate_until: regular expressions; what they match does not count, in neither text."""
    ignore_case: bool = False
    """Of generate_until: whether capitals count as small letters."""
    ignore_punctuation: bool = False
    """Of generate_until: whether ASCII punctuation does not count."""
    limit: int = 0
    """Only the first so many rows; 0 for all."""

    def __post_init__(self) -> None:
        require(bool(self.data), "data", self.data, "name the file of the rows")
        require(self.shots >= 0, "shots", self.shots, "use a whole number of at least 1, or 0 for none")
        require(self.limit >= 0, "limit", self.limit, "use a whole number of at least 1, or 0 for all rows")
        require(self.max_new_tokens >= 1, "max_new_tokens", self.max_new_tokens, "use a whole number of at least 1")
        require(all(self.until), "until", self.until, "an empty text would end an answer at once; leave it out")
        chosen, given = self.kind == "multiple_choice", bool(self.choices)
        require(
            chosen == given,
            "choices",
            self.choices,
            'multiple_choice needs them: name a column, or write choices = ["{{a}}", "{{b}}"]'
            if chosen
            else f"{self.kind} has none; leave them out",
        )
        require(self.answer != "", "answer", self.answer, "name a column, or write a template")
        whole = self.kind == "loglikelihood_rolling"
        alone = not (self.prompt or self.shots or self.description)
        require(
            not whole or alone,
            "prompt",
            self.prompt,
            f"{self.kind} scores the answer alone: leave out what stands before it",
        )
        require(
            chosen or not self.ending, "ending", self.ending, f"{self.kind} has no choices before one; leave it out"
        )
        require(self.shots > 0 or not self.shots_seed, "shots_seed", self.shots_seed, "no rows are shown; set shots")
        require(bool(self.extract) or not self.extract_last, "extract_last", True, "nothing is extracted; set extract")
        for name, pattern in (("extract", self.extract), *(("ignore", pattern) for pattern in self.ignore)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise SettingError(name, pattern, f"this is no regular expression: {error}") from None


@dataclass(frozen=True)
class Task:
    """A task file, read."""

    name: str
    """The file's name without its ending."""
    folder: Path
    """Where its paths begin."""
    settings: TaskSettings


def read_task(path: str | Path) -> Task:
    """Read a task file. Raises `SettingError` with its path and the key for what it can't say."""
    path = Path(path)
    try:
        settings = build(TaskSettings, read_toml(path))
    except SettingError as error:
        raise SettingError(f"task {path}", NO_VALUE, str(error).removeprefix(f"recipe = {str(path)!r}: ")) from None
    return Task(path.stem, path.absolute().parent, settings)

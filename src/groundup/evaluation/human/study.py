"""A blind study: prompts, what each model wrote, and what raters said of pairs of answers; in one SQLite file.

Everything is written down at once, so a study goes on where it stopped, whoever stops it. Which pair a rater sees next, which answer
stands on the left, and what a pair is called on the page follow from a secret of the study, drawn when it begins, and the rater's name:
it stays the same, and nobody who has not read the file can tell.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
import sqlite3
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from groundup.errors import DataError

FORMAT_VERSION = 2
CRITERIA = ("helpful", "harmless", "honest")
SCORES = range(1, 6)
LONGEST_NAME = 60
Choice = Literal["left", "right", "tie"]

TABLES = """
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL CHECK (json_valid(value)));
CREATE TABLE prompts (id INTEGER PRIMARY KEY, prompt TEXT NOT NULL CHECK (json_valid(prompt)));
CREATE TABLE answers (prompt INTEGER NOT NULL, model INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (prompt, model));
CREATE TABLE ratings (
    number INTEGER PRIMARY KEY, rater TEXT NOT NULL, prompt INTEGER NOT NULL, model_a INTEGER NOT NULL, model_b INTEGER NOT NULL,
    "left" INTEGER NOT NULL CHECK ("left" IN (model_a, model_b)), choice TEXT NOT NULL CHECK (choice IN ('left', 'right', 'tie')),
    scores TEXT NOT NULL CHECK (json_valid(scores)), created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (rater, prompt, model_a, model_b)
);
"""


@dataclass(frozen=True)
class Pair:
    """Two models' answers to one prompt."""

    prompt: int
    a: int
    b: int
    """The models' numbers, the lower first."""


@dataclass(frozen=True)
class Shown:
    """A pair as a rater sees it."""

    pair: Pair
    """Which the page is not told."""
    name: str
    """What the page calls it instead: nobody can tell from it which models these are."""
    prompt: Any
    """A text, or a list of messages."""
    left: str
    right: str


@dataclass(frozen=True)
class Rating:
    """What a rater said of a pair."""

    rater: str
    pair: Pair
    left: int
    """The model that stood on the left."""
    choice: Choice
    scores: Mapping[str, tuple[int, int]]
    """For each criterion from 1 to 5, of model a and of model b."""

    @property
    def winner(self) -> int | None:
        """The model that was preferred; None for neither."""
        if self.choice == "tie":
            return None
        return self.left if self.choice == "left" else self.pair.a + self.pair.b - self.left

    @property
    def as_given(self) -> dict[str, Any]:
        """What was said, of the left answer and the right one."""
        turned = self.left == self.pair.b
        return {
            "choice": self.choice,
            "scores": {name: list(reversed(both) if turned else both) for name, both in self.scores.items()},
        }


class Study:
    """One study's file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls,
        path: Path,
        models: Sequence[str],
        prompts: Sequence[Any],
        criteria: Sequence[str] = CRITERIA,
        generation: Mapping[str, Any] | None = None,
    ) -> Study:
        """Begin a study. `prompts`: texts, or lists of messages; `generation`: how all answers are written. Raises `DataError` where a
        study can't be of that."""
        if len(models) < 2 or len(set(models)) != len(models):
            raise DataError(f"a study compares two models or more, each once, and these are {list(models)}")
        if not prompts:
            raise DataError("a study needs prompts for the models to answer, and there are none: add some")
        if not criteria or len(set(criteria)) != len(criteria) or any(not name.strip() for name in criteria):
            raise DataError(f"criteria = {list(criteria)}: name at least one, each once, e.g. {','.join(CRITERIA)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        facts = {
            "format_version": FORMAT_VERSION,
            "models": list(models),
            "criteria": list(criteria),
            "generation": dict(generation or {}),
            "secret": secrets.token_hex(16),
        }
        with cls(partial)._connection() as connection:
            connection.executescript(TABLES)
            connection.executemany("INSERT INTO study VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
            connection.executemany(
                "INSERT INTO prompts VALUES (?, ?)", [(n, json.dumps(prompt)) for n, prompt in enumerate(prompts)]
            )
        partial.rename(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Study:
        """One that was begun before. Raises `DataError` for a file that is none."""
        study = cls(path)
        if path.is_dir():
            raise DataError(f"{path} is a folder, and a study is a file: name one with --study")
        if not path.is_file():
            raise DataError(f"{path} is not there: begin the study with  groundup compare A B --prompts FILE")
        version = study._facts.get("format_version")
        if version != FORMAT_VERSION:
            raise DataError(
                f"{path} has format version {version}; this version of Groundup reads {FORMAT_VERSION}: use the one that began it, or "
                "begin another with --study"
            )
        if {"models", "criteria", "generation", "secret"} - set(study._facts):
            raise DataError(f"{path} is damaged: restore it, or name another")
        with study._connection() as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            scored = (
                {frozenset(json.loads(scores)) for (scores,) in connection.execute("SELECT scores FROM ratings")}
                if found == "ok"
                else set()
            )
        if scored - {frozenset(study.criteria)}:
            found = "ratings of other criteria"
        if found != "ok":
            raise DataError(f"{path} is damaged ({found}): restore it, or name another")
        return study

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread's own; what is written is durable when the block ends, or not written at all.

        Raises `DataError` for a file that cannot be read or written.
        """
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.path} cannot be used as a study ({error}): if it is damaged or another file, restore it or name another; else "
                "see that there is room and that it may be written"
            ) from error

    @cached_property
    def _facts(self) -> dict[str, Any]:
        """What was laid down when it began, and never changes."""
        try:
            with self._connection() as connection:
                return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM study")}
        except (ValueError, TypeError) as error:
            raise DataError(f"{self.path} is damaged ({error}): restore it, or name another") from error

    @property
    def models(self) -> list[str]:
        """The models' names, by their numbers."""
        return [str(name) for name in self._facts["models"]]

    @property
    def criteria(self) -> list[str]:
        """What is scored from 1 to 5."""
        return [str(name) for name in self._facts["criteria"]]

    @property
    def generation(self) -> dict[str, Any]:
        """How all answers are written: the most tokens, temperature, seed."""
        return dict(self._facts["generation"])

    def prompts(self) -> dict[int, Any]:
        """The prompts by their numbers."""
        with self._connection() as connection:
            return {number: json.loads(text) for number, text in connection.execute("SELECT id, prompt FROM prompts")}

    def missing(self, model: int) -> list[int]:
        """The prompts that a model has not answered yet."""
        with self._connection() as connection:
            query = "SELECT id FROM prompts WHERE id NOT IN (SELECT prompt FROM answers WHERE model = ?) ORDER BY id"
            return [number for (number,) in connection.execute(query, (model,))]

    def add_answer(self, prompt: int, model: int, text: str) -> None:
        """Keep what a model wrote. The first answer stays: somebody may have rated it."""
        with self._connection() as connection:
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (prompt, model, text))

    def answers(self) -> dict[tuple[int, int], str]:
        """What was written, by prompt and model."""
        with self._connection() as connection:
            rows = connection.execute("SELECT prompt, model, text FROM answers").fetchall()
        return {(prompt, model): text for prompt, model, text in rows}

    def pairs(self) -> list[Pair]:
        """All pairs that raters see: both are there, and they differ by more than the space around them, which nobody sees."""
        return [pair for pair, (a, b) in self._answered() if a.strip() != b.strip()]

    def identical(self) -> int:
        """How many pairs hold the same answer twice, and so are shown to nobody."""
        return sum(a.strip() == b.strip() for _, (a, b) in self._answered())

    def _answered(self) -> Iterator[tuple[Pair, tuple[str, str]]]:
        """All pairs of answers that are there."""
        answers, models = self.answers(), range(len(self.models))
        for prompt in self.prompts():
            for a, b in itertools.combinations(models, 2):
                if (prompt, a) in answers and (prompt, b) in answers:
                    yield Pair(prompt, a, b), (answers[prompt, a], answers[prompt, b])

    def next_for(self, rater: str) -> Shown | None:
        """The first pair, in this rater's order, that the rater has not rated; None when all are done."""
        rated = {rating.pair for rating in self.ratings(rater)}
        left_over = [pair for pair in self.pairs() if pair not in rated]
        if not left_over:
            return None
        return self.show(min(left_over, key=lambda pair: self._draw("order", rater, pair)), rater)

    def show(self, pair: Pair, rater: str) -> Shown:
        """A pair as this rater sees it."""
        answers, left = self.answers(), self.left_of(pair, rater)
        sides = [answers[pair.prompt, model] for model in (left, pair.a + pair.b - left)]
        return Shown(pair, self._draw("name", rater, pair), self.prompts()[pair.prompt], *sides)

    def named(self, name: str, rater: str) -> Pair:
        """The pair that a rater's page calls by this name. Raises `DataError` where there is none."""
        for pair in self.pairs():
            if self._draw("name", rater, pair) == name:
                return pair
        raise DataError("this study has no such pair: load the page again")

    def left_of(self, pair: Pair, rater: str) -> int:
        """The model whose answer stands on the left."""
        return pair.b if int(self._draw("side", rater, pair), 16) % 2 else pair.a

    def _draw(self, what: str, rater: str, pair: Pair) -> str:
        """A number by chance, as hex, the same each time; from one nobody learns another."""
        described = json.dumps([self._facts["secret"], what, rater, pair.prompt, pair.a, pair.b])
        return hashlib.sha256(described.encode()).hexdigest()[:32]

    def rate(self, rater: str, pair: Pair, choice: Choice, scores: Mapping[str, Sequence[int]]) -> None:
        """Keep a rating; `scores` of the left and of the right answer, by criterion. Said again of the same pair, it replaces the first.

        Raises `DataError` for what is no rating.
        """
        rater = self.rater_name(rater)
        if pair not in self.pairs():
            raise DataError(f"this study has no pair {pair.prompt}, {pair.a}, {pair.b}: load the page again")
        if choice not in get_args(Choice):
            raise DataError(f"choice = {choice!r}: say left, right or tie")
        if sorted(scores) != sorted(self.criteria):
            raise DataError(
                f"scores of {sorted(scores)} were given, and this study asks for {self.criteria}: give each"
            )
        for name, both in scores.items():
            if len(both) != 2 or any(score not in SCORES for score in both):
                raise DataError(f"{name} = {list(both)}: give a score from 1 to 5 to each side")
        left = self.left_of(pair, rater)
        of_models = {name: tuple(both) if left == pair.a else tuple(reversed(both)) for name, both in scores.items()}
        row = (rater, pair.prompt, pair.a, pair.b, left, choice, json.dumps(of_models))
        with self._connection() as connection:
            connection.execute(
                'INSERT OR REPLACE INTO ratings (rater, prompt, model_a, model_b, "left", choice, scores) VALUES (?, ?, ?, ?, ?, ?, ?)',
                row,
            )

    def undo(self, rater: str) -> Rating | None:
        """Take the rater's last rating back; None where there is none."""
        given = self.ratings(rater)
        if not given:
            return None
        last, query = given[-1], "DELETE FROM ratings WHERE rater = ? AND prompt = ? AND model_a = ? AND model_b = ?"
        with self._connection() as connection:
            connection.execute(query, (rater, last.pair.prompt, last.pair.a, last.pair.b))
        return last

    def ratings(self, rater: str | None = None) -> list[Rating]:
        """All ratings, or one rater's, in the order in which they were made."""
        query = 'SELECT rater, prompt, model_a, model_b, "left", choice, scores FROM ratings'
        with self._connection() as connection:
            rows = connection.execute(
                f"{query} {'' if rater is None else 'WHERE rater = ?'} ORDER BY number",
                () if rater is None else (rater,),
            ).fetchall()
        return [
            Rating(
                name, Pair(prompt, a, b), left, choice, {key: tuple(both) for key, both in json.loads(scores).items()}
            )
            for name, prompt, a, b, left, choice, scores in rows
        ]

    @staticmethod
    def rater_name(given: str) -> str:
        """A rater's name as it is kept: the same however its accents and spaces were typed. Raises `DataError` for one that is none."""
        name = " ".join(unicodedata.normalize("NFC", given).split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise DataError(f"{given[:LONGEST_NAME]!r} is no name of a rater: give 1 to {LONGEST_NAME} letters")
        return name

"""A blind study: prompts, what each model wrote, and what raters said of pairs of answers; in one SQLite file.

Everything is written down at once, so a study goes on where it stopped, whoever stops it. Which pair a rater sees next, and which answer
stands on the left, follows from the study's seed and the rater's name: nobody knows it, and it stays the same.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from groundup.errors import DataError

FORMAT_VERSION = 1
CRITERIA = ("helpful", "harmless", "honest")
SCORES = range(1, 6)
LONGEST_NAME = 60
Choice = Literal["left", "right", "tie"]

TABLES = """
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE prompts (id INTEGER PRIMARY KEY, prompt TEXT NOT NULL);
CREATE TABLE answers (prompt INTEGER NOT NULL, model INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (prompt, model));
CREATE TABLE ratings (
    number INTEGER PRIMARY KEY, rater TEXT NOT NULL, prompt INTEGER NOT NULL, model_a INTEGER NOT NULL, model_b INTEGER NOT NULL,
    "left" INTEGER NOT NULL, choice TEXT NOT NULL, scores TEXT NOT NULL, created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
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
    """A pair as a rater sees it: nothing in it says whose answer is whose."""

    pair: Pair
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
        seed: int = 0,
    ) -> Study:
        """Begin a study. `prompts`: texts, or lists of messages. Raises `DataError` where a study can't be of that."""
        if len(models) < 2 or len(set(models)) != len(models):
            raise DataError(f"a study compares two models or more, each once, and these are {list(models)}")
        if not prompts:
            raise DataError("a study needs prompts for the models to answer, and there are none: add some")
        if not criteria or len(set(criteria)) != len(criteria) or any(not name.strip() for name in criteria):
            raise DataError(f"criteria = {list(criteria)}: name at least one, each once, e.g. {','.join(CRITERIA)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        study, partial = cls(path), path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        facts = {
            "format_version": FORMAT_VERSION,
            "models": list(models),
            "criteria": list(criteria),
            "seed": seed,
        }
        with closing(sqlite3.connect(partial)) as connection, connection:
            connection.executescript(TABLES)
            connection.executemany("INSERT INTO study VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
            connection.executemany(
                "INSERT INTO prompts VALUES (?, ?)", [(n, json.dumps(prompt)) for n, prompt in enumerate(prompts)]
            )
        partial.rename(path)
        return study

    @classmethod
    def open(cls, path: Path) -> Study:
        """One that was begun before. Raises `DataError` for a file that is none."""
        study = cls(path)
        if not path.is_file():
            raise DataError(f"{path} is not there: begin the study with  groundup compare A B --prompts FILE")
        try:
            version = study._facts().get("format_version")
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{path} is not a study, or it is damaged ({error}): restore it, or name another"
            ) from error
        if version != FORMAT_VERSION:
            raise DataError(f"{path} has format version {version}; this version of Groundup reads {FORMAT_VERSION}")
        return study

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread's own; what is written is durable when the block ends, or not written at all."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            yield connection

    def _facts(self) -> dict[str, Any]:
        with self._connection() as connection:
            return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM study")}

    @property
    def models(self) -> list[str]:
        """The models' names, by their numbers."""
        return [str(name) for name in self._facts()["models"]]

    @property
    def criteria(self) -> list[str]:
        """What is scored from 1 to 5."""
        return [str(name) for name in self._facts()["criteria"]]

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
        """Keep what a model wrote."""
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (prompt, model, text))

    def answers(self) -> dict[tuple[int, int], str]:
        """What was written, by prompt and model."""
        with self._connection() as connection:
            rows = connection.execute("SELECT prompt, model, text FROM answers").fetchall()
        return {(prompt, model): text for prompt, model, text in rows}

    def pairs(self) -> list[Pair]:
        """All pairs that raters see: both are there, and they differ."""
        answers, models = self.answers(), range(len(self.models))
        all_pairs = (Pair(prompt, a, b) for prompt in self.prompts() for a, b in itertools.combinations(models, 2))
        return [
            pair for pair in all_pairs if len({answers.get((pair.prompt, m)) for m in (pair.a, pair.b)} - {None}) == 2
        ]

    def identical(self) -> int:
        """How many pairs hold the same answer twice, and so are shown to nobody."""
        answers, models = self.answers(), range(len(self.models))
        return sum(
            (prompt, a) in answers and answers.get((prompt, a)) == answers.get((prompt, b))
            for prompt in self.prompts()
            for a, b in itertools.combinations(models, 2)
        )

    def next_for(self, rater: str) -> Shown | None:
        """The first pair, in this rater's order, that the rater has not rated; None when all are done."""
        rated = {rating.pair for rating in self.ratings(rater)}
        left_over = [pair for pair in self.pairs() if pair not in rated]
        if not left_over:
            return None
        return self.show(min(left_over, key=lambda pair: self._draw(rater, pair)), rater)

    def show(self, pair: Pair, rater: str) -> Shown:
        """A pair as this rater sees it."""
        answers, left = self.answers(), self.left_of(pair, rater)
        sides = [answers[pair.prompt, model] for model in (left, pair.a + pair.b - left)]
        return Shown(pair, self.prompts()[pair.prompt], *sides)

    def left_of(self, pair: Pair, rater: str) -> int:
        """The model whose answer stands on the left."""
        return pair.b if self._draw(rater, pair) % 2 else pair.a

    def _draw(self, rater: str, pair: Pair) -> int:
        """A number by chance, the same each time."""
        described = json.dumps([self._facts()["seed"], rater, pair.prompt, pair.a, pair.b])
        return int.from_bytes(hashlib.sha256(described.encode()).digest()[:8])

    def rate(self, rater: str, pair: Pair, choice: Choice, scores: Mapping[str, Sequence[int]]) -> None:
        """Keep a rating; `scores` of the left and of the right answer, by criterion. Said again of the same pair, it replaces the first.

        Raises `DataError` for what is no rating.
        """
        self.check_rater(rater)
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

    def undo(self, rater: str) -> Pair | None:
        """Take the rater's last rating back; which pair it was of, or None where there is none."""
        with self._connection() as connection:
            query = "SELECT number, prompt, model_a, model_b FROM ratings WHERE rater = ? ORDER BY number DESC LIMIT 1"
            row = connection.execute(query, (rater,)).fetchone()
            if row is None:
                return None
            connection.execute("DELETE FROM ratings WHERE number = ?", row[:1])
        return Pair(*row[1:])

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
    def check_rater(rater: str) -> None:
        """Raise `DataError` for a name that is none."""
        if not rater.strip() or len(rater) > LONGEST_NAME or not rater.isprintable():
            raise DataError(f"{rater[:LONGEST_NAME]!r} is no name of a rater: give 1 to {LONGEST_NAME} letters")

"""What becomes of files and rows without text: the first that can't be read ends it, or, when asked for, all are left out; empty
ones always are. Each is counted."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from groundup.errors import DataError

EXAMPLES = 3
EMPTY = "empty"
ADVICE = "mend it, or leave such files and rows out, counted, with data.skip_bad=true"
TAKE_OUT = "mend it, or take it out"


class BadInputError(DataError):
    """The first file or row that can't be read, where none is to be left out."""


@contextmanager
def without_settings(called: str = "") -> Iterator[None]:
    """For a command that takes no settings of data: what can't be found or read in the block is told without naming any.

    `called`: what it calls `data.source`, if it has a setting for that.
    """
    try:
        yield
    except DataError as error:
        told = str(error).replace("data.source", called) if called else str(error).removeprefix("data.source = ")
        if isinstance(error, BadInputError):
            told = told.removesuffix(ADVICE) + TAKE_OUT
        raise type(error)(told) from error


@dataclass
class BadInput:
    """Told of each file and row that can't be read, or is empty."""

    skip: bool = False
    """Whether to leave them out and go on."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many were left out, by what was wrong."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first few for each reason, in full."""
    advice: str = ADVICE
    """What to do about one."""

    def __call__(self, message: str, reason: str) -> None:
        """Count it, or raise `BadInputError`. `message` names the file and line, `reason` is what such faults are counted under."""
        if not self.skip:
            raise BadInputError(f"{message}; {self.advice}")
        self.count(message, reason)

    def count(self, message: str, reason: str) -> None:
        """Count it: nothing is wrong with what is only empty."""
        self.counts[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(message)

    def tell(self, say: Callable[[str], None]) -> None:
        """Say how many were left out, and which, if any were."""
        if self.counts:
            kinds = ", ".join(f"{reason} ({count:,})" for reason, count in self.counts.most_common())
            total = sum(self.counts.values())
            what = "files or rows" if total != 1 else "file or row"
            say(f"warning: {total:,} {what} left out: {kinds}")
            for example in itertools.chain(*self.examples.values()):
                say(f"  {example}")

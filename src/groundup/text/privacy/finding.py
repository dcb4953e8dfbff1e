"""What a detector reports, and how reports that overlap are settled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from groundup.text.privacy.plain import UNSPACED
from groundup.text.privacy.settings import Kind

SHAPE, CONTEXT, CHECKED = 1, 2, 3
"""How sure a detector is: by its shape alone; by shape and the words before it; by a checksum or a shape that nothing else has."""
BEFORE = 60  # characters: how far back a word still says what a number is


LONGEST_HEAD, LONGEST_ROW = 2000, 4000  # characters
NAME_OF_COLUMN = re.compile(r"[^\W\d][\w /().:#-]{0,40}")
QUOTED = re.compile(r'"[^"\n]*"')


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of text, `text[start:end]`, that is personal data."""

    kind: Kind
    form: str
    """Which form of its kind, e.g. `us_ssn`."""
    start: int
    end: int
    certainty: int = CHECKED


def settle(findings: Iterable[Finding]) -> list[Finding]:
    """Those that don't overlap, in the text's order.

    Of two of one kind that overlap, the stretch of both is taken, so that no part is left standing. Of two of different kinds, the
    more certain one stays, then the longer, then the first.
    """
    settled: list[Finding] = []
    for finding in sorted(_joined(findings), key=lambda each: (each.start, each.end)):
        while settled and finding.start < settled[-1].end:
            if _rank(settled[-1]) <= _rank(finding):
                break
            settled.pop()
        else:
            settled.append(finding)
    return settled


def _rank(finding: Finding) -> tuple[int, int, int]:
    return -finding.certainty, finding.start - finding.end, finding.start


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of one kind that overlap made one."""
    joined: dict[str, Finding] = {}
    done: list[Finding] = []
    for finding in sorted(findings, key=lambda each: (each.start, -each.end)):
        last = joined.get(finding.kind)
        if last is not None and finding.start < last.end:
            surer = finding if finding.certainty > last.certainty else last
            finding = replace(surer, start=last.start, end=max(last.end, finding.end))
        elif last is not None:
            done.append(last)
        joined[finding.kind] = finding
    return done + list(joined.values())


@lru_cache(maxsize=256)
def words_pattern(words: str) -> re.Pattern[str]:
    """A pattern for any of the words (alternatives of a regular expression), which must begin at a word's start."""
    return re.compile(rf"(?<![^\W_{UNSPACED}])(?:{words})", re.IGNORECASE)


def said_before(text: str, start: int, words: str, reach: int = BEFORE) -> bool:
    """Whether one of the words stands in the `reach` characters before `start`, or at the head of its column in a table."""
    pattern = words_pattern(words)
    return (
        pattern.search(text, max(0, start - reach), start) is not None
        or pattern.search(column_head(text, start)) is not None
    )


@lru_cache(maxsize=64)
def table_head(line: str) -> tuple[str, tuple[str, ...]]:
    """A table's separator and the names of its columns, if a text's first line is one's head: at least two names, none of them a number."""
    for separator in ("\t", ";", ",", "|"):
        cells = [cell.strip(" \"'") for cell in line.split(separator)]
        if len(cells) > 1 and all(NAME_OF_COLUMN.fullmatch(cell) for cell in cells):
            return separator, tuple(cells)
    return "", ()


@lru_cache(maxsize=8)  # the detectors ask about one place one after the other
def column_head(text: str, start: int) -> str:
    """The name of the column that `start` stands in, or "" outside of tables. Separators within quotation marks aren't counted."""
    first = text.find("\n", 0, LONGEST_HEAD)
    if first < 0 or start <= first:
        return ""
    separator, cells = table_head(text[:first])
    line_end = text.rfind("\n", max(0, start - LONGEST_ROW), start)
    if not cells or line_end < 0:
        return ""
    before = QUOTED.sub("", text[line_end + 1 : start])
    index = before.count(separator)
    return cells[index] if index < len(cells) else ""


def occurrences(text: str, *needles: str) -> Iterator[int]:
    """Where any of the needles begins, needle by needle; far faster than one pattern of alternatives."""
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            yield at
            at = text.find(needle, at + 1)


def lower(text: str) -> str:
    """The text in small letters, each at its place: the two letters of which some languages make two or three stay as they are."""
    small = text.lower()
    return (
        small if len(small) == len(text) else "".join(each.lower() if len(each.lower()) == 1 else each for each in text)
    )


DENSE = re.compile(r"[0-9](?:[^0-9\n]{0,3}[0-9]){6,}")


def dense_digits(text: str) -> list[tuple[int, int]]:
    """Stretches with seven digits or more, at most three other characters between two of them: all that a number of this
    kind can be in. Only there are the dearer patterns tried. Three characters before and six after are taken along."""
    end = len(text)
    return [(max(0, match.start() - 3), min(end, match.end() + 6)) for match in DENSE.finditer(text)]

"""Words of the user's own lists, in capitals or not, with accents, look-alike letters, digits for letters, repeated letters, and signs
or spaces put between the letters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from groundup.errors import DataError
from groundup.serving.guard.finding import HOLD, Stretch, joined
from groundup.serving.guard.look_alikes import MARKS, read_as_seen
from groundup.serving.guard.settings import path_of
from groundup.text.privacy.plain import UNSPACED

ALSO_WRITTEN = {"a": "a4@", "b": "b8", "e": "e3", "g": "g9", "i": "i1!|", "l": "l1|", "o": "o0", "s": "s5$", "t": "t7+"}
"""Digits and signs that people write for letters."""
STANDS_FOR = {
    sign: frozenset(sign) | {letter for letter, signs in ALSO_WRITTEN.items() if sign in signs}
    for signs in ALSO_WRITTEN.values()
    for sign in signs
}
LETTERS = re.compile(rf"[^\W_]+|[{re.escape(''.join(sign for sign in STANDS_FOR if not sign.isalnum()))}]")
STOPS = "、。「」『』"  # stand between words where no spaces do
_BETWEEN = rf"(?:[^\w\s{STOPS}{MARKS}]|_){{0,2}}"  # the letters of a word that is written in one
_SPELLED = _GAP = rf"(?:[^\w{MARKS}]|_){{1,3}}"  # the letters of one that is spelled out; the words of a phrase
_LETTER = rf"[^\W_]|[{MARKS}]"
# A word of a script without spaces between words begins and ends anywhere; any other where no letter of its kind goes on.
_NOT_IN_WORD = rf"(?:(?<![^\W_])(?<![{MARKS}])|(?<=[{UNSPACED}])|(?=[{UNSPACED}]))"
_WORD_ENDS = rf"(?:(?!{_LETTER})|(?=[{UNSPACED}])|(?<=[{UNSPACED}]))"
_ANY_ENDING = rf"(?:{_LETTER}){{0,30}}"
WORD = re.compile(rf"[^\s{STOPS}]*(?:{_LETTER})[^\s{STOPS}]*")  # with the signs around it
OPEN = re.compile(rf"[^\s{STOPS}]+\Z")
MOST_REPEATED = 40
FEWEST_SPELLED = 3  # letters; `a s` is no word
LONGEST_ENTRY = 60

Unit = tuple[str, int]
Tree = dict[Unit, "Tree"]
END, END_OPEN = ("", 0), ("*", 0)


class WordList:
    """All listed words, as one pattern."""

    def __init__(self, entries: Iterable[str]) -> None:
        tree: Tree = {}
        spelled: Tree = {}
        self._most_words = 1
        for entry in entries:
            words = read_as_seen(entry.rstrip("*"))[0].split()
            self._most_words = max(self._most_words, len(words))
            ending = END_OPEN if entry.endswith("*") else END
            units = [unit for word in words for unit in [(" ", 1), *_units(word)]][1:]
            _put(tree, [*units, ending])
            if len(words) == 1 and len(words[0]) >= FEWEST_SPELLED:
                _put(spelled, [*((letter, 1) for letter in words[0]), ending])
        self._pattern = re.compile(f"{_NOT_IN_WORD}{_as_pattern(tree, _BETWEEN)}")
        self._spelled = re.compile(f"{_NOT_IN_WORD}{_as_pattern(spelled, _SPELLED)}") if spelled else None

    def find(self, text: str) -> list[Stretch]:
        """Each listed word. What is mostly digits, as a road's `A55`, is none."""
        seen, places = read_as_seen(text)
        found = []
        for pattern in (self._pattern, self._spelled):
            for match in pattern.finditer(seen) if pattern else ():
                written = [character for character in match.group() if character.isalnum()]
                if sum(map(str.isalpha, written)) * 2 >= len(written):
                    found.append(Stretch(places[match.start()], places[match.end() - 1] + 1, "word"))
        return joined(found)

    def settled(self, text: str) -> int:
        """Up to the last word, which may go on; where phrases are listed, up to as many words as the longest has; and up to the first
        of single letters in a row."""
        bound = max(0, len(text) - HOLD)
        seen, places = read_as_seen(text[bound:])
        open_word = OPEN.search(seen)
        settled = open_word.start() if open_word else len(seen)
        before = [word.start() for word in WORD.finditer(seen, 0, settled)]
        held = self._most_words - 1  # words of a phrase before the one that is open
        if held:
            settled = before[-held] if held <= len(before) else 0
        for letters in reversed(list(LETTERS.finditer(seen, 0, settled))):
            if not _may_be_one_letter(letters.group()):
                break
            settled = letters.start()
        return bound + places[settled] if settled < len(seen) else len(text)


def _may_be_one_letter(letters: str) -> bool:
    """Whether they are one, repeated or not, and however written."""
    return bool(frozenset.intersection(*(STANDS_FOR.get(each, frozenset(each)) for each in set(letters))))


def _units(word: str) -> list[Unit]:
    """Each letter with how often it stands there in a row."""
    return [(letter, len(list(run))) for letter, run in itertools.groupby(word)]


def _put(tree: Tree, units: Sequence[Unit]) -> None:
    for unit in units:
        tree = tree.setdefault(unit, {})


def _as_pattern(tree: Tree, between: str, lead: str = "") -> str:
    """A pattern that matches any branch of the tree, with `lead` before its first letter and `between` before each other one."""
    branches = []
    for (letter, count), rest in sorted(tree.items(), reverse=True):  # an end, which is the shortest, comes last
        if not letter:
            branches.append(_WORD_ENDS)
        elif letter == "*":
            branches.append(_ANY_ENDING)
        elif letter == " ":
            branches.append(_GAP + _as_pattern(rest, between))
        else:
            branches.append(lead + _repeated(letter, count, between) + _as_pattern(rest, between, between))
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _repeated(letter: str, count: int, between: str) -> str:
    """A letter as often as listed, or more often: one alone not twice, since that may be another word (`as`)."""
    one = f"[{re.escape(ALSO_WRITTEN.get(letter, letter))}]"
    more = f"{one}{{{3 if count == 1 else count},{MOST_REPEATED}}}"
    if count == 1:
        return f"(?:{more}|{one}(?!{one}))" if between == _BETWEEN else f"{one}{{1,{MOST_REPEATED}}}"
    return f"(?:{more}|{one}(?:{between}{one}){{{count - 1}}})"


def read_words(files: Sequence[str], folder: Path) -> list[str]:
    """The words and phrases of text files, one a line. Raises `DataError` that names a file or line that can't be used."""
    entries: dict[str, None] = {}
    for name in files:
        path = path_of("words.files", name, folder)
        try:
            lines = path.read_bytes().decode("utf-8-sig").splitlines()
        except OSError as error:
            raise DataError(
                f"words.files: {path} cannot be read ({error.strerror}); name a text file of words"
            ) from None
        except UnicodeDecodeError as error:
            raise DataError(f"words.files: {path} is not UTF-8 text (byte {error.start:,}); save it as UTF-8") from None
        for number, line in enumerate(lines, start=1):
            entry = line.partition("#")[0].strip()
            if not entry:
                continue
            if len(entry) > LONGEST_ENTRY or not any(map(str.isalpha, entry)) or "*" in entry[:-1]:
                raise DataError(
                    f"words.files: {path}, line {number:,}: {entry[:40]!r} is no word or phrase of at most {LONGEST_ENTRY} characters; "
                    "write one a line, with a * at its end for any ending"
                )
            entries[entry] = None
    if not entries:
        raise DataError(f"words.files: no word stands in {', '.join(files)}; write one a line")
    return list(entries)

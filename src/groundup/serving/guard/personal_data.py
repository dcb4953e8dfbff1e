"""Personal data as training knows it, in a text that is still being written."""

from __future__ import annotations

import itertools
import re
import unicodedata

from groundup.serving.guard.finding import HOLD, Stretch, complete_words, joined
from groundup.text.privacy.birth_dates import DATE, REACH
from groundup.text.privacy.credentials import KEY_BEGINS, LONGEST_KEY
from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.plain import read_plainly
from groundup.text.privacy.settings import PrivacySettings

ROUNDS = 4
BIRTH_WORD = 16  # characters of the longest word that says behind a date that it is somebody's birth
LONGEST_DATE = 40
RUN = re.compile(r"[!-~]+\Z")
LONGEST_RUN = (
    4096  # characters without a space, such as a signed token, that are held to see whether they become a secret
)
CONNECTING = frozenset(
    """
    at dot punkt punto point ponto
    of the and upon on under a an
    de du des la le les l d del della delle dello dei degli di da do dos das las los el e y i en sur sous aux à et san santa
    der den dem am im in bei ob und van von zum zur aan zu ten ter te het
    rue avenue av boulevard bd place chemin allée impasse quai cours route square passage voie faubourg ruelle sentier bis quater
    gate gata vei veien vej väg tie katu street road lane ul al os pl
    bin ibn
    """.split()  # noqa: SIM905
)
"""Words in small letters that may stand within an address, a name, or an e-mail address that is spelled out."""


class PersonalData:
    """The recognizers of training (docs/privacy.md), asked again while a text grows."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._settings = settings

    def find(self, text: str) -> list[Stretch]:
        """All personal data, also what the recognizers see only once other finds are out of their way."""
        found: list[Stretch] = []
        for _ in range(ROUNDS):
            shown, places = _without(text, found)
            more = [
                Stretch(places[each.start], places[each.end - 1] + 1, each.kind)
                for each in find_personal_data(shown, self._settings)
            ]
            if not more:
                break
            found = joined([*found, *more])
        return found

    def settled(self, text: str) -> int:
        """Up to the second of two quiet words, the last such pair.

        A quiet word is one of small letters alone, or of a script without capitals, that joins no other two. No recognizer takes two of
        them in a row; hence what stands before the second is decided. What reaches farther: a date is somebody's birth if a word
        behind it says so; a signed token has thousands of characters; a private key ends where its last line is; and a name is
        known everywhere once it has been announced, which can be long after it has left (docs/guard.md says so).
        """
        bound = max(0, len(text) - HOLD)
        settled = bound
        for first, second in itertools.pairwise(complete_words(text, bound)):
            if is_quiet(first.group()) and is_quiet(second.group()):
                settled = second.start()
        return min(settled, _first_date(text, bound), _run(text), _open_key(text))


def is_quiet(word: str) -> bool:
    """Whether no recognizer looks at a word but as one of words in between."""
    word = word.rstrip(",;.!?")
    seen = unicodedata.normalize("NFKC", word)
    return seen.isalpha() and seen.lower() == seen and seen.casefold() not in CONNECTING


def _without(text: str, found: list[Stretch]) -> tuple[str, list[int]]:
    """The text with placeholders for what was found, and the place in `text` of each of its characters: for those of a placeholder,
    the place of what it stands for."""
    if not found:
        return text, list(range(len(text)))
    parts: list[str] = []
    places: list[int] = []
    done = 0
    for start, end, kind in found:
        holder = f"<{kind.upper()}>"
        parts += [text[done:start], holder]
        places += range(done, start)
        places += [start] * (len(holder) - 1) + [end - 1]
        done = end
    parts.append(text[done:])
    places += range(done, len(text))
    return "".join(parts), places


def _first_date(text: str, bound: int) -> int:
    """Where the first date begins that a word behind it may still call a birth; the text's length if there is none."""
    plain = read_plainly(text[bound:])
    begin = max(0, len(plain.text) - REACH - BIRTH_WORD - LONGEST_DATE)
    date = DATE.search(plain.text, begin)
    return len(text) if date is None else bound + plain.stretch(*date.span())[0]


def _run(text: str) -> int:
    """Where the characters begin that no space has ended yet, if they are not too many."""
    run = RUN.search(text, max(0, len(text) - LONGEST_RUN))
    return len(text) if run is None or len(run.group()) >= LONGEST_RUN else run.start()


def _open_key(text: str) -> int:
    """Where a private key begins whose last line isn't there yet; the text's length if there is none."""
    for begin in KEY_BEGINS.finditer(text, max(0, len(text) - LONGEST_KEY)):
        if text.find(f"-----END {begin[1]}-----", begin.end()) < 0:
            return begin.start()
    return len(text)

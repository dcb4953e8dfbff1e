"""The guard of a text that is still being written: nothing leaves that is not checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundup.serving.guard.finding import HOLD, Stretch, joined
from groundup.serving.guard.reports import ActiveCheck, Reports

KEPT = 2000  # characters of what has left already that are looked at again with what comes
STEP, LONGEST_STEP = 24, 96  # characters between two looks
FEWEST_OLD = (
    256  # characters that leave together where only their age lets them out: text of numbers alone is dear to look at
)
LONGEST_HEAD = 2000  # characters of a table's first line


class GuardedStream:
    """Text in, in pieces of any size; out comes what may leave, with placeholders for what is to be redacted.

    What comes out in all doesn't depend on how the text is cut into pieces: it is looked at where words end, at places that follow from
    the text alone. `refused` is set once something was found that is to be refused; nothing leaves from then on.
    """

    def __init__(self, checks: Sequence[ActiveCheck], reports: Reports, before: str = "", whole: bool = False) -> None:
        """`before` is what stands before the text, such as the prompt that it goes on: nothing of it leaves, but an e-mail address
        may begin there. `whole`: all leaves at the end."""
        self._checks, self._reports, self._whole = checks, reports, whole
        self._text = before[-KEPT:]
        """What has left, as far back as it is kept, and behind it what is held."""
        self._left = len(self._text)
        """How much of `_text` has left."""
        self._unlooked = 0
        """How many characters came since the last look."""
        self._told = dict.fromkeys(checks, 0)
        """For each check, up to where in `_text` its findings were reported."""
        self._inside = False
        """Whether a placeholder stands for the last that left, and hence for what belongs to the same finding."""
        self.refused = False

    def add(self, text: str) -> str:
        """What may leave now; often nothing."""
        out: list[str] = []
        for piece, look in self._pieces(text):
            if self.refused:
                break
            self._text += piece
            if look:
                out.append(self._advance())
        return "".join(out)

    def finish(self) -> str:
        """The rest, now that nothing more comes."""
        if self.refused:
            return ""
        rest = self._advance(final=True)
        self._reports.finish()
        return rest

    def _pieces(self, text: str) -> Iterator[tuple[str, bool]]:
        """The text cut where it is to be looked at."""
        start = 0
        for place, character in enumerate(text, start=1):
            self._unlooked += 1
            if (self._unlooked >= STEP and character.isspace()) or self._unlooked >= LONGEST_STEP:
                yield text[start:place], not self._whole
                start, self._unlooked = place, 0
        yield text[start:], False

    def _advance(self, final: bool = False) -> str:
        """Look, and let out what is settled."""
        text = self._text
        cut = min((each.check.settled(text) for each in self._checks), default=len(text))
        cut = len(text) if final else cut
        by_age = cut <= len(text) - HOLD
        if cut - self._left < (FEWEST_OLD if by_age and not final else 1):
            return ""
        found = [
            (active, stretch)
            for active in self._checks
            for stretch in active.check.find(text)
            if stretch.start < cut and stretch.end > self._left
        ]
        self._tell(found)
        if any(active.action == "refuse" for active, _ in found):
            self.refused = True
            return ""
        out = self._redacted(joined(stretch for active, stretch in found if active.action == "redact"), cut)
        self._left = cut
        self._forget()
        return out

    def _tell(self, found: list[tuple[ActiveCheck, Stretch]]) -> None:
        """Report each finding once, though it may be seen again and have grown."""
        for active, (start, end, kind) in found:
            if start >= self._told[active]:
                self._reports.found(active.name, kind, active.action, self._text[start:end])
            self._told[active] = max(self._told[active], end)

    def _redacted(self, stretches: list[Stretch], cut: int) -> str:
        """What leaves, up to `cut`."""
        out: list[str] = []
        at = self._left
        for start, end, kind in stretches:
            out.append(self._text[at : max(at, start)])
            if start >= self._left or not self._inside:
                out.append(f"<{kind.upper()}>")
            at = min(end, cut)
        self._inside = bool(stretches) and at == cut
        out.append(self._text[at:cut])
        return "".join(out)

    def _forget(self) -> None:
        """Drop what left long ago, but for the first line, which may be a table's head."""
        if self._left < 2 * KEPT:
            return
        oldest = self._left - KEPT
        begin = self._text.find("\n", oldest, self._left) + 1 or self._text.find(" ", oldest, self._left) + 1 or oldest
        head = self._text[: max(0, self._text.find("\n", 0, LONGEST_HEAD))] + "\n"
        self._text = head + self._text[begin:]
        gone = begin - len(head)
        self._left -= gone
        self._told = {active: max(0, place - gone) for active, place in self._told.items()}

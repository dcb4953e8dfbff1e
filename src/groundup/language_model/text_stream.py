"""From token ids to text as they come: whole characters only, and nothing of a stop string.

A character may take several tokens, and a stop string may begin in one token and end in another. So text is held back
while what comes next could still change it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

HALF_CHARACTER = "\ufffd"  # what decoders write for bytes that are not (yet) a whole character


class TextStream:
    """The text of one row: ids in, pieces of final text out; `stopped` once a stop string has come."""

    def __init__(self, decode: Callable[[list[int]], str], prompt_ids: Sequence[int], stop: Sequence[str]) -> None:
        self._decoder, self._filter = IncrementalDecoder(decode, prompt_ids), StopFilter(stop)

    @property
    def stopped(self) -> bool:
        return self._filter.stopped

    def add(self, token_id: int) -> str:
        """The text that is certain now and was not before; it may be empty."""
        return self._filter.add(self._decoder.add(token_id))

    def finish(self) -> str:
        """What was held back, now that nothing more comes."""
        return self._filter.add(self._decoder.finish()) + self._filter.finish()


class IncrementalDecoder:
    """Ids to text, one id at a time: whole characters only.

    Each id is decoded with those before it, since a decoder may look back (SentencePiece's, for one, drops the space of
    a first word); but only back to the last piece of text, so that a token's cost doesn't grow with the text's length.
    """

    def __init__(self, decode: Callable[[list[int]], str], prompt_ids: Sequence[int]) -> None:
        self._decode = decode
        self._before, self._pending = list(prompt_ids), list[int]()
        self._before_text = decode(self._before)

    def add(self, token_id: int) -> str:
        """The text of this id and of those held back; empty while a character is incomplete."""
        self._pending.append(token_id)
        new = self.finish()
        if new.endswith(HALF_CHARACTER):
            return ""
        if new:
            self._before, self._pending = self._pending, []
            self._before_text = self._decode(self._before)
        return new

    def finish(self) -> str:
        """The text of the ids held back; bytes that never became a character are U+FFFD."""
        text = self._decode(self._before + self._pending)
        if text.startswith(self._before_text):
            return text[len(self._before_text) :]
        return self._decode(self._pending)  # a broken byte can spoil what was whole before it, which is out already


class StopFilter:
    """Text up to the first stop string. Of two that overlap, the one that is complete first counts, then the longer.

    What comes out doesn't depend on how the text is cut into pieces.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop, self._held, self.stopped = tuple(stop), "", False

    def add(self, text: str) -> str:
        """As much as no stop string can claim any more."""
        if not self._stop or self.stopped:
            return "" if self.stopped else text
        held = self._held + text
        found = [(start + len(stop), start) for stop in self._stop if (start := held.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return held[: min(found)[1]]
        num_held = self._num_claimed(held)
        self._held = held[len(held) - num_held :]
        return held[: len(held) - num_held]

    def _num_claimed(self, text: str) -> int:
        """Length of the longest end of `text` that a stop string begins with."""
        longest = min(len(text), max(map(len, self._stop)) - 1)
        sizes = range(longest, 0, -1)
        return next((size for size in sizes if any(stop.startswith(text[-size:]) for stop in self._stop)), 0)

    def finish(self) -> str:
        """What was held back for a stop string that never came."""
        held, self._held = self._held, ""
        return held

"""Where the guard stands: before the model reads a text, and before what it writes leaves the server."""

from __future__ import annotations

from typing import Protocol

from groundup.serving.api_error import ApiError


class Verdict(Protocol):
    """What a guard decided about a text."""

    @property
    def action(self) -> str:
        """allow, redact, refuse or log."""

    @property
    def text(self) -> str:
        """The text to go on with."""


class GuardedStream(Protocol):
    """A text that is being written, checked as it comes."""

    refused: bool
    """Whether nothing more may leave."""

    def add(self, text: str) -> str:
        """What may leave now."""

    def finish(self) -> str:
        """What was held back, now that nothing more comes."""


class Guard(Protocol):
    """What stands between people and the model. `request` is what its log calls a request."""

    @property
    def changes_output(self) -> bool:
        """Whether it may keep back what the model writes."""

    def check_input(self, text: str, request: str = "") -> Verdict:
        """Whether the model may read it."""

    def stream(self, request: str = "", before: str = "") -> GuardedStream:
        """A check for one text that the model writes, behind the text `before`."""


def checked_input(guard: Guard | None, text: str, request: str) -> str:
    """The text that the model may read. Raises `ApiError` if it may not."""
    if guard is None:
        return text
    verdict = guard.check_input(text, request)
    if verdict.action == "refuse":
        raise ApiError(400, "the text was refused by this server's guard", code="content_filter")
    return verdict.text


def require_no_guard(guard: Guard | None) -> None:
    """Raise `ApiError` where tokens would leave by a way on which they aren't checked: beside the text, the likely ones unwritten."""
    if guard is not None and guard.changes_output:
        raise ApiError(400, "logprobs: this server's guard checks texts, so single tokens are not given", "logprobs")


class CheckedText:
    """One text on its way out through a guard."""

    def __init__(self, guard: Guard, request: str, before: str) -> None:
        self._stream = guard.stream(request, before)

    @property
    def refused(self) -> bool:
        """Whether nothing more of it leaves."""
        return self._stream.refused

    def add(self, text: str, last: bool) -> str:
        """What may leave now; with the last piece, all that was held back."""
        leaving = self._stream.add(text)
        return leaving + self._stream.finish() if last and not self.refused else leaving

"""The engine with a tokenizer: texts that run at once, in pieces as they come.

engine = TextEngine(language_model, num_slots=16)
ticket = engine.add(Request(language_model.tokenizer.encode("ROMEO:"), GenerationSettings(stop=("\\n\\n",))))
while engine.busy:
    for piece in engine.step():
        print(piece.ticket, piece.text, piece.finish)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from groundup.generation.engine import CacheUse, Engine
from groundup.generation.request import Request, Token
from groundup.language_model.text_stream import TextStream

if TYPE_CHECKING:
    from groundup.language_model.model import LanguageModel


@dataclass(frozen=True, slots=True)
class Piece:
    """What one step added to one text."""

    ticket: int
    text: str
    """Whole characters, and never a part of a stop text; it may be empty while either could still come."""
    tokens: tuple[Token, ...]
    """The tokens of this step. Their text may come with a later piece, or, of a stop text and an end token, never."""
    finish: Literal["stop", "length"] | None = None
    """Why the text ended here: at an end token or a stop text, or after `max_new_tokens`. None: it goes on."""


class TextEngine:
    """`Engine` for texts: stop texts across tokens, whole characters. `step` gives a piece for each text that got a token.

    The arguments are `Engine`'s; `language_model.forward` replaces the network's own pass. Not for several threads at once. A `step`
    that raises ends the texts that ran, as the engine's does.
    """

    def __init__(self, language_model: LanguageModel, num_slots: int, max_len: int = 0, piece: int = 128) -> None:
        self.tokenizer = language_model.tokenizer
        self.engine = Engine(language_model.model, num_slots, max_len, language_model.forward, piece=piece)
        self._streams: dict[int, TextStream] = {}

    def add(self, request: Request) -> int:
        """Take a text in: its ticket. Without `stop_ids` it ends at the tokenizer's end tokens; an empty prompt starts from the end
        token. Raises `GenerationError` for what can't be served.
        """
        start = [each for each in (self.tokenizer.end_id,) if each is not None]
        ends = frozenset(self.tokenizer.end_ids) if request.stop_ids is None else request.stop_ids
        ticket = self.engine.add(replace(request, prompt=request.prompt or start, stop_ids=ends))
        self._streams[ticket] = TextStream(self.tokenizer.decode, request.prompt, request.settings.stop)
        return ticket

    def holds(self, ticket: int) -> bool:
        """Whether more may come for this ticket."""
        return self.engine.holds(ticket)

    def cancel(self, ticket: int) -> None:
        """Give no more pieces for this ticket; its slot is free at once. Nothing happens if it ended before."""
        self.engine.cancel(ticket)
        self._streams.pop(ticket, None)

    def step(self) -> list[Piece]:
        """One step of the engine; nothing when idle, or while prompts are read and no text has a next token."""
        try:
            return [self._piece(token) for token in self.engine.step()]
        except BaseException:
            self.engine.end_running()
            self._streams = {ticket: stream for ticket, stream in self._streams.items() if self.holds(ticket)}
            raise

    def _piece(self, token: Token) -> Piece:
        stream = self._streams[token.ticket]
        text = "" if token.finish == "end" else stream.add(token.id)
        finish: Literal["stop", "length"] | None = None
        if stream.stopped:
            finish = "stop"
        elif token.finish:
            text += stream.finish()
            finish = "stop" if token.finish == "end" or stream.stopped else "length"
        if finish:
            self.cancel(token.ticket)
        return Piece(token.ticket, text, (token,), finish)

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return self.engine.busy

    @property
    def num_waiting(self) -> int:
        """Texts that wait for a slot."""
        return self.engine.num_waiting

    @property
    def num_running(self) -> int:
        """Texts that have one."""
        return self.engine.num_running

    @property
    def cache_use(self) -> CacheUse:
        """What the cache holds now, in tokens."""
        return self.engine.cache_use

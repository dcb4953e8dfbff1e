"""llama.cpp in the place of our engine, for a GGUF file as it is, quantized as it is (`groundup serve FILE.gguf --engine llama.cpp`).

Everything around it stays: limits, keys, queue, guard. `xllamacpp` is a wheel with llama.cpp inside; each text is asked for in a thread.
"""

from __future__ import annotations

import queue
import secrets
import threading
from collections import deque
from pathlib import Path
from typing import Any

from groundup.cores import available_cores
from groundup.errors import GenerationError, MissingExtraError, ModelError
from groundup.generation.engine import CacheUse
from groundup.generation.request import Request, Token
from groundup.language_model.text_engine import Piece

SECONDS_TO_WAIT = 0.02  # for a piece, before the runner may have something else to say
UNKNOWN_ID = -1  # of a token whose number llama.cpp was not asked for
SAMPLERS = ["penalties", "temperature", "top_k", "top_p", "min_p"]  # in our order


class LlamaCppEngine:
    """What a `TextEngine` does, done by llama.cpp.

    Random numbers are llama.cpp's own: a seed repeats a text here, and gives another in our engine. A text ends where the file's own
    end tokens say; it never outgrows the context. Raises `MissingExtraError` without xllamacpp, `ModelError` for a file that it can't open.
    """

    def __init__(self, path: Path, num_slots: int, context: int) -> None:
        try:
            import xllamacpp
        except ModuleNotFoundError as error:
            raise MissingExtraError("--engine llama.cpp", "llama-cpp") from error
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel, params.n_ctx = num_slots, num_slots * context
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = available_cores()
        params.api_keys = [secrets.token_hex()]  # it opens a port of its own: nobody may ask there
        params.cors_origins = ""
        params.ui = False
        params.verbosity = 0
        # Its fast attention is off by 0.2 nats where a prompt goes on from a cached one (docs/log.md).
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        try:
            self._server = xllamacpp.Server(params)
        except Exception as error:
            raise ModelError(f"{path}: llama.cpp can't open it ({error}); serve it without --engine") from error
        # So that it runs: who ends a server that is still starting waits forever.
        self._server.handle_completions({"prompt": [0], "max_tokens": 1})
        self.num_slots, self.context = num_slots, context
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._running: set[int] = set()
        self._canceled: set[int] = set()
        self._given: dict[int, int] = {}  # tokens that were told, by ticket
        self._pieces: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._kept: list[Piece] = []  # for the next step, since this one told of an error
        self._num_tickets = 0

    def add(self, request: Request) -> int:
        """Take a text in: its ticket."""
        settings, num_read = request.settings, len(request.prompt)
        if request.prompt_logprobs:
            raise GenerationError("echo with logprobs is not there with --engine llama.cpp: leave one of them out")
        if num_read + settings.max_new_tokens > self.context:
            raise GenerationError(
                f"the prompt's {num_read:,} tokens and {settings.max_new_tokens:,} more outgrow the context of {self.context:,}, "
                "which --engine llama.cpp does not slide: ask for fewer"
            )
        self._num_tickets += 1
        asked = {
            "prompt": list(request.prompt),
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "samplers": SAMPLERS,
            "top_k": settings.top_k,
            "top_p": settings.top_p,
            "min_p": settings.min_p,
            "repeat_penalty": settings.repetition_penalty,
            "repeat_last_n": self.context,
            "presence_penalty": settings.presence_penalty,
            "frequency_penalty": settings.frequency_penalty,
            "seed": (settings.seed + request.sample) % (2**32 - 1),
            "stop": list(settings.stop),
            "logit_bias": [[token, bias] for token, bias in request.logit_bias.items()],
            "stream": True,
        }
        if request.logprobs is not None:
            asked["logprobs"] = max(1, request.logprobs)
        self._waiting.append((self._num_tickets, asked))
        return self._num_tickets

    def holds(self, ticket: int) -> bool:
        """Whether more may come for this ticket."""
        waiting, kept = (each[0] for each in self._waiting), (piece.ticket for piece in self._kept)
        return ticket in self._given or ticket in waiting or ticket in kept

    def cancel(self, ticket: int) -> None:
        """Give no more pieces for this ticket; llama.cpp is told at its next token."""
        self._waiting = deque(each for each in self._waiting if each[0] != ticket)
        if ticket in self._running:
            self._canceled.add(ticket)

    def step(self) -> list[Piece]:
        """The pieces that are there, after a short wait for one; nothing if none came."""
        while self._waiting and len(self._running) < self.num_slots:
            ticket, asked = self._waiting.popleft()
            self._running.add(ticket)
            self._given[ticket] = 0
            threading.Thread(target=self._ask, args=(ticket, asked), daemon=True).start()
        pieces, self._kept = self._kept, []
        try:
            event = self._pieces.get(timeout=SECONDS_TO_WAIT)
            while True:
                piece = self._piece(*event)
                pieces += [] if piece is None else [piece]
                event = self._pieces.get_nowait()
        except queue.Empty:
            return pieces
        except GenerationError:  # of one text
            self._kept = pieces
            raise

    def _ask(self, ticket: int, asked: dict[str, Any]) -> None:
        """In a thread: one text, from its first token to its last."""

        def take(event: dict[str, Any]) -> bool:
            self._pieces.put((ticket, event))
            return ticket in self._canceled  # which ends it

        try:
            self._server.handle_completions(asked, take)
        finally:
            self._pieces.put((ticket, None))

    def _piece(self, ticket: int, event: dict[str, Any] | None) -> Piece | None:
        if event is None:  # its thread is done
            self._running.discard(ticket)
            ended_early = self._given.pop(ticket, None) is not None and ticket not in self._canceled
            self._canceled.discard(ticket)
            if ended_early:
                raise GenerationError("llama.cpp ended a text without saying why: its log may tell")
            return None
        if ticket in self._canceled:
            return None
        if "error" in event:
            self._given.pop(ticket)
            raise GenerationError(f"llama.cpp: {event['error'].get('message', 'it failed')}")
        choice = event["choices"][0]
        entries = (choice["logprobs"] or {}).get("content", [])
        tokens = [
            Token(
                ticket,
                each["id"],
                None,
                each["logprob"],
                tuple((top["id"], top["logprob"]) for top in each["top_logprobs"]),
            )
            for each in entries
        ]
        if not entries and choice["text"]:
            tokens = [Token(ticket, UNKNOWN_ID)]
        finish = choice["finish_reason"]
        if finish is not None:  # with how many there were: some had no text of their own
            told = self._given.pop(ticket) + len(tokens)
            more = event.get("usage", {}).get("completion_tokens", told) - told
            tokens += [Token(ticket, UNKNOWN_ID, "end")] * max(0, more)
        else:
            self._given[ticket] += len(tokens)
        return Piece(ticket, choice["text"], tuple(tokens), finish)

    @property
    def num_waiting(self) -> int:
        """Texts that wait for a slot."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Texts that have one."""
        return len(self._running)

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._waiting or self._running)

    @property
    def cache_use(self) -> CacheUse:
        """What the cache could hold; llama.cpp doesn't tell how much of it is held."""
        return CacheUse(0, 0, self.num_slots * self.context)

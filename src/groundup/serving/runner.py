"""The thread that steps the engine, and what requests have to do with it.

The event loop never waits for the network: it leaves work here and is told of each new piece of text. Whoever asks takes a place
first (`Runner.reserve`), before a prompt is even made into tokens, so that no more is ever in hand than the settings allow.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol

from groundup.errors import GroundupError
from groundup.generation.engine import CacheUse
from groundup.generation.request import Request
from groundup.language_model.text_engine import Piece
from groundup.serving.api_error import ApiError, not_ready, unexpected
from groundup.serving.metrics import Metrics


class Writer(Protocol):
    """What writes: `TextEngine`, or another engine that is driven as it is."""

    def add(self, request: Request) -> int:
        """Take a text in: its ticket."""

    def holds(self, ticket: int) -> bool:
        """Whether more may come for a ticket."""

    def cancel(self, ticket: int) -> None:
        """Give no more pieces for a ticket."""

    def step(self) -> list[Piece]:
        """The next pieces, if there are any."""

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""

    @property
    def num_waiting(self) -> int:
        """Texts that wait for a slot."""

    @property
    def num_running(self) -> int:
        """Texts that have one."""

    @property
    def cache_use(self) -> CacheUse:
        """What its cache holds, in tokens."""


Event = tuple[int, Piece] | ApiError
"""A text's next piece, by the text's number in its job; or why there are no more."""


class Job:
    """The places of one request. As a context (`with`), it gives them back when it ends, whatever happened."""

    def __init__(self, runner: Runner, num_texts: int) -> None:
        self._runner, self.num_texts = runner, num_texts
        self.id = uuid.uuid4().hex
        self._open = set(range(num_texts))  # the texts that have a place
        self._awaited = set(range(num_texts))  # the texts whose last piece nobody has taken yet
        self._pieces: asyncio.Queue[Event] = asyncio.Queue()
        self._begun = asyncio.get_running_loop().time()

    async def start(self, requests: Sequence[Request]) -> None:
        """Hand the texts to the engine. Raises `GroundupError` for what it can't serve."""
        added: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runner.command(lambda: self._runner.add(self, requests, added))
        await added

    async def pieces(self, seconds: float) -> AsyncIterator[tuple[int, Piece]]:
        """(number of the text, its next piece) as they come, until each text has its last.

        Texts that are not done within `seconds` of the job's beginning end there. Raises `ApiError` if the engine failed.
        """
        while self._awaited:
            try:
                async with asyncio.timeout_at(self._begun + seconds):
                    event = await self._pieces.get()
            except TimeoutError:
                self.close()
                for number in sorted(self._awaited):
                    yield number, Piece(0, "", (), "length")
                return
            if isinstance(event, ApiError):
                raise event
            number, piece = event
            if number not in self._awaited:
                continue
            if piece.finish is not None:
                self._awaited.discard(number)
            yield number, piece

    def deliver(self, event: Event) -> None:
        """On the event loop: what the thread has for us."""
        if not isinstance(event, ApiError) and event[1].finish is not None:
            self._give_back(event[0])
        self._pieces.put_nowait(event)

    def cancel(self, number: int) -> None:
        """Nothing more of this text is wanted: its place is free, and its slot in the engine after the step that runs."""
        self._awaited.discard(number)
        if number in self._open:
            self._give_back(number)
            self._runner.command(lambda: self._runner.cancel(self, number))

    def close(self) -> None:
        """Nothing more of any text is wanted."""
        for number in list(self._open):
            self._give_back(number)
            self._runner.command(lambda number=number: self._runner.cancel(self, number))  # type: ignore[misc]

    def _give_back(self, number: int) -> None:
        if number in self._open:
            self._open.discard(number)
            self._runner.num_open -= 1

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Text:
    """A text in the engine, as the thread knows it."""

    def __init__(self, job: Job, number: int) -> None:
        self.job, self.number, self.begun, self.latest = job, number, time.perf_counter(), 0.0


class Runner:
    """Steps the engine in a thread of its own for as long as there is something to write.

    `num_open` texts have a place: they are being made into tokens, wait, or are being written. Only the event loop changes it.
    """

    def __init__(self, engine: Writer, num_places: int, metrics: Metrics) -> None:
        self.engine, self.num_places, self.metrics = engine, num_places, metrics
        self.num_open = 0
        self.draining = False
        self._texts: dict[int, _Text] = {}  # by ticket; the thread's
        self._wake = threading.Condition()
        self._commands: deque[Callable[[], None]] = deque()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        metrics.gauge("places_taken", "Texts that wait or are being written", lambda: self.num_open)
        metrics.gauge("queue_length", "Texts that wait for a slot", lambda: self.engine.num_waiting)
        metrics.gauge("running", "Texts that are being written", lambda: self.engine.num_running)
        for name, about in (
            ("running", "Tokens of texts in the batch whose keys and values are held"),
            ("kept", "Tokens of texts that left, held for prompts with the same beginning"),
            ("room", "Tokens that the cache could hold"),
        ):
            metrics.gauge(f"cache_{name}_tokens", about, lambda name=name: getattr(self.engine.cache_use, name))  # type: ignore[misc]

    @property
    def ready(self) -> bool:
        """Whether a request would be served."""
        return self._thread is not None and self._thread.is_alive() and not self.draining

    def start(self) -> None:
        """Begin; on the event loop that asks."""
        self._loop, self._ending = asyncio.get_running_loop(), False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread after the step that runs."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._thread = None

    def reserve(self, num_texts: int) -> Job:
        """Places for so many texts. Raises `ApiError` (503) when there are not enough, or the server is about to end."""
        if not self.ready:
            raise not_ready()
        if self.num_open + num_texts > self.num_places:
            raise ApiError(503, "too many texts are waiting already: come back in a moment", code="overloaded")
        self.num_open += num_texts
        return Job(self, num_texts)

    def command(self, command: Callable[[], None]) -> None:
        """Let the thread do this before its next step."""
        with self._wake:
            self._commands.append(command)
            self._wake.notify()

    def end_texts(self) -> None:
        """End every text with an error: the server has no more time for them."""
        self.command(lambda: self._end_texts(self._texts.values(), not_ready()))

    # What follows runs in the thread.

    def add(self, job: Job, requests: Sequence[Request], added: asyncio.Future[None]) -> None:
        """Give a job's texts to the engine, all or none."""
        try:
            for number, request in enumerate(requests):
                self._texts[self.engine.add(request)] = _Text(job, number)
                self.metrics.prompt_tokens.inc(len(request.prompt))
        except Exception as error:
            self.cancel(job)
            failure = error if isinstance(error, GroundupError) else unexpected(error)
            self._on_loop(lambda: None if added.done() else added.set_exception(failure))
        else:
            self._on_loop(lambda: None if added.done() else added.set_result(None))

    def cancel(self, job: Job, number: int | None = None) -> None:
        """Free the slots of a job, or of one of its texts."""
        texts = list(self._texts.items())
        for ticket in [ticket for ticket, text in texts if text.job is job and number in (None, text.number)]:
            del self._texts[ticket]
            self.metrics.finished.labels("canceled").inc()
            self.engine.cancel(ticket)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._commands or self._ending or self._texts or self.engine.busy):
                    self._wake.wait()
                if self._ending:
                    return
                do = self._commands.popleft() if self._commands else self._step
            try:
                do()
            except Exception as error:
                self._fail(error)

    def _step(self) -> None:
        pieces = self.engine.step()
        now, events = time.perf_counter(), list[tuple[Job, Event]]()
        for piece in pieces:
            text = self._texts.get(piece.ticket)
            if text is None:
                continue  # canceled
            if piece.tokens:
                if text.latest:
                    self.metrics.between_tokens.observe(now - text.latest)
                else:
                    self.metrics.first_token.observe(now - text.begun)
                text.latest = now
                self.metrics.new_tokens.inc(len(piece.tokens))
            if piece.finish is not None:
                del self._texts[piece.ticket]
                self.metrics.finished.labels(piece.finish).inc()
            events.append((text.job, (text.number, piece)))
        if events:
            self._on_loop(lambda: _deliver_all(events))

    def _fail(self, error: Exception) -> None:
        """A step failed: the texts that the engine lost by it end with an error; all, if it says that it lost none."""
        lost = [text for ticket, text in self._texts.items() if not self.engine.holds(ticket)]
        answer = ApiError(500, str(error)) if isinstance(error, GroundupError) else unexpected(error)
        self._end_texts(lost or self._texts.values(), answer)

    def _end_texts(self, texts: Iterable[_Text], answer: ApiError) -> None:
        """The requests that these are of end with an error."""
        jobs = {text.job for text in texts}
        for job in jobs:
            self.cancel(job)
        self._on_loop(lambda: _deliver_all([(job, answer) for job in jobs]))

    def _on_loop(self, call: Callable[[], object]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def _deliver_all(events: Sequence[tuple[Job, Event]]) -> None:
    for job, event in events:
        job.deliver(event)

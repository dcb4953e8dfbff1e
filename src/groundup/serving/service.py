"""What every route has in hand: the model, the runner, the settings; and how a request becomes texts."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import secrets
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from groundup.config import build
from groundup.generation.request import Request, Token
from groundup.generation.settings import GenerationSettings
from groundup.language_model.model import LanguageModel
from groundup.language_model.text_engine import TextEngine
from groundup.serving.answers import Finish, Usage
from groundup.serving.api_error import ApiError
from groundup.serving.guarding import CheckedText, Guard
from groundup.serving.metrics import CLIENT_LEFT, Metrics
from groundup.serving.prompts import Prompt, Prompts
from groundup.serving.requests import SamplingBody
from groundup.serving.runner import Job, Runner, Writer
from groundup.serving.settings import ServingSettings

SECONDS_TO_SEND = 30.0  # beyond `request_seconds`: whoever doesn't read an answer loses it
EVENT_STREAM = "text/event-stream"
STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {EVENT_STREAM: {}}}}
"""For the schema: with `stream` the answer has another form."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Written:
    """What came of one text: its next piece, checked, with the tokens that it took."""

    number: int
    """Which of the request's texts."""
    text: str
    tokens: tuple[Token, ...]
    finish: Finish | None


class Service:
    """A model that is served."""

    def __init__(
        self,
        language_model: LanguageModel,
        settings: ServingSettings,
        guard: Guard | None,
        metrics: Metrics,
        engine: Writer | None,
    ) -> None:
        self.language_model, self.settings, self.guard = language_model, settings, guard
        self.name, self.created = settings.name or "model", int(time.time())
        self.context = min(settings.context, language_model.model.config.max_seq_len)
        self.metrics = metrics
        engine = engine or TextEngine(language_model, settings.num_slots, self.context)
        self.runner = Runner(engine, settings.num_slots + settings.max_waiting, self.metrics)
        self.prompts = Prompts(language_model, settings, self.context, guard)

    def check_model(self, name: str | None) -> None:
        """Raise `ApiError` (404) for another model than the one that is served."""
        if name is not None and name != self.name:
            raise ApiError(404, f"model: this server has {self.name!r} only", "model", "model_not_found")

    def requests(
        self, body: SamplingBody, prompts: Sequence[Prompt], new_tokens: int | None, param: str, **scored: Any
    ) -> list[Request]:
        """What is asked of the engine for `n` texts of each prompt: prompt by prompt, sample by sample."""
        seed = secrets.randbits(63) if body.seed is None else body.seed % 2**63
        stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
        overflow = body.overflow or self.settings.overflow
        bias = self._biases(body)
        requests = []
        for prompt in prompts:
            settings = build(
                GenerationSettings,
                {
                    "max_new_tokens": self._num_new(len(prompt.ids), new_tokens, overflow, param),
                    "temperature": 1.0 if body.temperature is None else body.temperature,
                    "top_k": max(0, body.top_k or 0),
                    "top_p": 1.0 if body.top_p is None else body.top_p,
                    "min_p": body.min_p or 0.0,
                    "repetition_penalty": 1.0 if body.repetition_penalty is None else body.repetition_penalty,
                    "presence_penalty": body.presence_penalty or 0.0,
                    "frequency_penalty": body.frequency_penalty or 0.0,
                    "stop": [*prompt.stop, *stop],
                    "seed": seed,
                },
            )
            requests += [
                Request(prompt.ids, settings, sample, prompt.stop_ids, logit_bias=bias, overflow=overflow, **scored)
                for sample in range(body.n or 1)
            ]
        return requests

    def _num_new(self, num_read: int, asked: int | None, overflow: str, param: str) -> int:
        most, room = self.settings.max_new_tokens, self.context - num_read
        if asked is None:
            return max(1, min(most, room))
        if asked > most:
            raise ApiError(400, f"{param}: {asked:,} tokens are more than the {most:,} that are given here", param)
        if overflow == "error" and asked > room:
            raise ApiError(
                400,
                f"{param}: the prompt's {num_read:,} tokens and {asked:,} more outgrow the context of {self.context:,}: ask for fewer",
                param,
                "context_length_exceeded",
            )
        return asked

    def _biases(self, body: SamplingBody) -> dict[int, float]:
        biases = {int(token): bias for token, bias in (body.logit_bias or {}).items()}
        vocab_size = self.language_model.model.config.vocab_size
        outside = next((token for token in biases if token >= vocab_size), None)
        if outside is not None:
            advice = f"logit_bias: token {outside} is not in the model's vocabulary of {vocab_size:,}"
            raise ApiError(400, advice, "logit_bias")
        return biases

    async def written(self, job: Job, before: Sequence[str] = ()) -> AsyncIterator[Written]:
        """What the engine writes, checked by the guard; a text without a last piece in time ends where it is.

        `before` is the text that each goes on, if it goes on one.
        """
        checks: list[CheckedText] = []
        if self.guard is not None:
            befores = before or [""] * job.num_texts
            checks = [CheckedText(self.guard, job.id, each) for each in befores]
        held: list[list[Token]] = [[] for _ in range(job.num_texts)]
        async for number, piece in job.pieces(self.settings.request_seconds):
            text, finish = piece.text, cast("Finish | None", piece.finish)
            if checks:
                add = functools.partial(checks[number].add, piece.text, last=finish is not None)
                text = await self.prompts.off_loop(add)
                finish = "content_filter" if checks[number].refused else finish
            held[number] += piece.tokens
            if text or finish:
                yield Written(number, text, tuple(held[number]), finish)
                held[number] = []
            if finish == "content_filter":
                job.cancel(number)


def usage(num_prompt: int, num_new: int) -> Usage:
    """The number of tokens read and written."""
    return Usage(prompt_tokens=num_prompt, completion_tokens=num_new, total_tokens=num_prompt + num_new)


async def while_there(request: HttpRequest, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of some work, which is canceled when whoever asked for it leaves."""

    async def leaving() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, left = asyncio.ensure_future(work), asyncio.ensure_future(leaving())
    try:
        await asyncio.wait({working, left}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ApiError(CLIENT_LEFT, "the connection was closed before there was an answer")
    finally:
        working.cancel()
        left.cancel()
        await asyncio.gather(working, left, return_exceptions=True)


class EventStream(StreamingResponse):
    """Server-sent events (WHATWG HTML, §9.2) of a job, whose places are given back when the answer ends, however it does."""

    def __init__(self, events: AsyncIterator[str], job: Job, seconds: float) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(_as_events(events), headers=headers, media_type=EVENT_STREAM)
        self._job, self._seconds = job, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._job, contextlib.suppress(TimeoutError):  # the connection of whoever doesn't read is closed
            async with asyncio.timeout(self._seconds + SECONDS_TO_SEND):
                await super().__call__(scope, receive, send)


async def _as_events(events: AsyncIterator[str]) -> AsyncIterator[str]:
    try:
        async for event in events:
            yield f"data: {event}\n\n"
    except ApiError as error:  # the status was sent long ago
        yield f"data: {json.dumps(error.body)}\n\n"
    else:
        yield "data: [DONE]\n\n"

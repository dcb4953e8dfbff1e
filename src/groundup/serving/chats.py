"""POST /v1/chat/completions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response

from groundup.serving.answers import ChatChoice, ChatChunk, ChatChunkChoice, ChatCompletion, ChatLogprobs, Delta, Reply
from groundup.serving.api_error import ApiError
from groundup.serving.guarding import require_no_guard
from groundup.serving.logprobs import Places, TokenTexts
from groundup.serving.prompts import Prompt
from groundup.serving.requests import ChatBody, ChatMessage
from groundup.serving.runner import Job
from groundup.serving.service import STREAMED, EventStream, Service, Written, usage, while_there


class _Replies:
    """One request's replies as they come."""

    def __init__(self, service: Service, body: ChatBody, prompt: Prompt, job: Job) -> None:
        self.service, self.body, self.prompt = service, body, prompt
        self.id, self.created = f"chatcmpl-{job.id}", int(time.time())
        tokenizer = service.language_model.tokenizer
        self._token_texts = TokenTexts(tokenizer)
        self._places = [Places(tokenizer, prompt.ids) for _ in range(job.num_texts) if body.logprobs]
        self.num_new = 0

    def logprobs(self, written: Written) -> ChatLogprobs | None:
        """Those of a piece, if they were asked for."""
        if not self.body.logprobs:
            return None
        told = self._places[written.number].told(written.tokens, written.text, stopped=written.finish == "stop")
        return self._token_texts.for_chat([token for token, _ in told])

    async def whole(self, job: Job) -> ChatCompletion:
        """All of them, when each has its last piece."""
        texts, finishes = [""] * job.num_texts, ["length"] * job.num_texts
        logprobs = [ChatLogprobs(content=[]) for _ in texts]
        async for written in self.service.written(job):
            self.num_new += len(written.tokens)
            texts[written.number] += written.text
            if found := self.logprobs(written):
                logprobs[written.number].content += found.content
            finishes[written.number] = written.finish or "length"
        choices = [
            ChatChoice.model_validate(
                {
                    "index": number,
                    "message": Reply(content=text),
                    "logprobs": logprobs[number] if self.body.logprobs else None,
                    "finish_reason": finishes[number],
                }
            )
            for number, text in enumerate(texts)
        ]
        used = usage(len(self.prompt.ids), self.num_new)
        return ChatCompletion(id=self.id, created=self.created, model=self.service.name, choices=choices, usage=used)

    async def events(self, job: Job) -> AsyncIterator[str]:
        """Piece by piece: who speaks first, then what."""
        for number in range(job.num_texts):
            yield self._chunk(ChatChunkChoice(index=number, delta=Delta(role="assistant", content="")))
        async for written in self.service.written(job):
            self.num_new += len(written.tokens)
            yield self._chunk(
                ChatChunkChoice(
                    index=written.number,
                    delta=Delta(content=written.text) if written.text else Delta(),
                    logprobs=self.logprobs(written),
                    finish_reason=written.finish,
                )
            )
        options = self.body.stream_options
        if options is not None and options.include_usage:
            used = usage(len(self.prompt.ids), self.num_new)
            chunk = ChatChunk(id=self.id, created=self.created, model=self.service.name, choices=[], usage=used)
            yield chunk.model_dump_json()

    def _chunk(self, choice: ChatChunkChoice) -> str:
        chunk = ChatChunk(id=self.id, created=self.created, model=self.service.name, choices=[choice])
        return chunk.model_dump_json()


def chat_routes(service: Service) -> APIRouter:
    """The route of chats."""
    router = APIRouter()

    @router.post("/v1/chat/completions", response_model=ChatCompletion, responses=STREAMED)
    async def chat(body: ChatBody, request: Request) -> Response:
        """Reply to a conversation; as a stream of server-sent events with `stream`."""
        service.check_model(body.model)
        if body.top_logprobs is not None and not body.logprobs:
            raise ApiError(400, "top_logprobs: set logprobs to true with it", "top_logprobs")
        if body.logprobs:
            require_no_guard(service.guard)
        job = service.runner.reserve(body.n or 1)
        try:
            prompt = await service.prompts.of_messages([_message(message) for message in body.messages], job.id)
            named = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
            asked = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
            logprobs = (body.top_logprobs or 0) if body.logprobs else None
            await job.start(service.requests(body, [prompt], asked, named, logprobs=logprobs))
            replies = _Replies(service, body, prompt, job)
            if body.stream:
                return EventStream(replies.events(job), job, service.settings.request_seconds)
            with job:
                whole = await while_there(request, replies.whole(job))
            return Response(whole.model_dump_json(), media_type="application/json")
        except BaseException:
            job.close()
            raise

    return router


def _message(message: ChatMessage) -> dict[str, str]:
    content = message.content
    text = content if isinstance(content, str) else "".join(part.text for part in content)
    return {"role": "system" if message.role == "developer" else message.role, "content": text}

"""POST /v1/completions, and the short form of it that is POST /generate."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from fastapi import APIRouter, Request, Response

from groundup.generation.request import Scored, Token
from groundup.serving.answers import Completion, CompletionChoice, CompletionLogprobs, Generated, Usage
from groundup.serving.api_error import ApiError
from groundup.serving.guarding import require_no_guard
from groundup.serving.logprobs import Places, TokenTexts, finite
from groundup.serving.prompts import Prompt
from groundup.serving.requests import MAX_TEXTS, CompletionBody, GenerateBody, SamplingBody
from groundup.serving.runner import Job
from groundup.serving.service import STREAMED, EventStream, Service, Written, usage, while_there


class _Answer:
    """One request's texts as they become an answer."""

    def __init__(self, service: Service, body: CompletionBody, prompts: Sequence[Prompt], job: Job) -> None:
        self.service, self.body, self.prompts = service, body, prompts
        self.id, self.created = f"cmpl-{job.id}", int(time.time())
        num = len(prompts) * (body.n or 1)
        tokenizer = service.language_model.tokenizer
        self.token_texts = TokenTexts(tokenizer)
        self.begun = [False] * num
        told = body.logprobs is not None
        self.places = [Places(tokenizer, prompt.ids) for prompt in prompts for _ in range(body.n or 1) if told]
        self.num_new = 0
        self.only_prompt = body.max_tokens == 0 and body.max_completion_tokens is None

    def choice(self, written: Written) -> CompletionChoice:
        """The next piece of a text."""
        number, prompt = written.number, self.prompts[written.number // (self.body.n or 1)]
        text, tokens = ("", ()) if self.only_prompt else (written.text, written.tokens)
        self.num_new += len(tokens)
        logprobs = None
        if self.body.logprobs is not None:
            before = written.tokens[0].prompt if written.tokens and self.body.echo else None
            told = self.places[number].told(tokens, text, stopped=written.finish == "stop")
            logprobs = self._logprobs(prompt, before, told)
        if self.body.echo and not self.begun[number]:
            text = prompt.text + text
        self.begun[number] = True
        return CompletionChoice(index=number, text=text, logprobs=logprobs, finish_reason=written.finish)

    def _logprobs(
        self, prompt: Prompt, before: Sequence[Scored] | None, told: Sequence[tuple[Token, int]]
    ) -> CompletionLogprobs:
        """Of a piece's tokens; of those before them, too, where they are told with its first."""
        found = CompletionLogprobs(
            tokens=[], token_logprobs=[], top_logprobs=[] if self.body.logprobs else None, text_offset=[]
        )

        def put(
            token_id: int, logprob: float | None, likeliest: Sequence[tuple[int, float]] | None, place: int
        ) -> None:
            found.tokens.append(self.token_texts.of(token_id))
            found.token_logprobs.append(None if logprob is None else finite(logprob))
            found.text_offset.append(place)
            if found.top_logprobs is not None:
                top = None if likeliest is None else self.token_texts.likeliest(likeliest)
                found.top_logprobs.append(top)

        if before is not None:
            places = Places(self.service.language_model.tokenizer)
            put(
                prompt.ids[0], None, None, places.next(prompt.ids[0])
            )  # nothing comes before it to tell how likely it was
            for scored in before:
                put(scored.id, scored.logprob, scored.likeliest, places.next(scored.id))
        begin = len(prompt.text) if self.body.echo else 0
        for token, place in told:
            put(token.id, token.logprob, token.likeliest, begin + place)
        return found

    def whole(self, choices: list[CompletionChoice], used: Usage | None) -> Completion:
        """An answer, or a piece of one."""
        return Completion(id=self.id, created=self.created, model=self.service.name, choices=choices, usage=used)

    @property
    def before(self) -> list[str]:
        """For each text, the one that it goes on."""
        return [prompt.text for prompt in self.prompts for _ in range(self.body.n or 1)]

    @property
    def usage(self) -> Usage:
        """The tokens so far."""
        return usage(sum(len(prompt.ids) for prompt in self.prompts), self.num_new)


def completion_routes(service: Service) -> APIRouter:
    """The routes of completions."""
    router = APIRouter()

    @router.post("/v1/completions", response_model=Completion, responses=STREAMED)
    async def complete(body: CompletionBody, request: Request) -> Response:
        """Go on from a text, several, or tokens; as a stream of server-sent events with `stream`."""
        service.check_model(body.model)
        num_prompts = _num_prompts(body)
        if body.best_of not in (None, body.n or 1):
            raise ApiError(400, "best_of: leave it out, or give the same as n", "best_of")
        if num_prompts * (body.n or 1) > MAX_TEXTS:
            raise ApiError(400, f"n: {num_prompts} prompts with n = {body.n} are more than {MAX_TEXTS} texts", "n")
        if body.logprobs is not None:
            require_no_guard(service.guard)
        job = service.runner.reserve(num_prompts * (body.n or 1))
        try:
            answer = await _start(service, body, job)
            if body.stream:
                return EventStream(_events(service, answer, job), job, service.settings.request_seconds)
            with job:
                whole = await while_there(request, _collect(service, answer, job))
            return Response(whole.model_dump_json(), media_type="application/json")
        except BaseException:
            job.close()
            raise

    @router.post("/generate", response_model=Generated)
    async def generate(body: GenerateBody, request: Request) -> Generated:
        """The prompt and what follows it, of at most `max_length` tokens."""
        with service.runner.reserve(1) as job:
            sampling = SamplingBody(temperature=0.8)
            prompts = await service.prompts.of_texts([body.prompt], job.id)
            await job.start(service.requests(sampling, prompts, body.max_length, "max_length"))

            async def collect() -> str:
                return "".join([written.text async for written in service.written(job, [prompts[0].text])])

            return Generated(generated_text=prompts[0].text + await while_there(request, collect()))

    return router


async def _start(service: Service, body: CompletionBody, job: Job) -> _Answer:
    prompts = await _prompts(service, body, job.id)
    named = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    asked = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    if asked == 0 and not body.echo:
        raise ApiError(400, "max_tokens: 0 is of use with echo only, to look at the prompt; ask for at least 1", named)
    requests = service.requests(
        body,
        prompts,
        None if asked is None else max(1, asked),  # one that nobody asked for, so that the prompt is read
        named,
        logprobs=body.logprobs,
        prompt_logprobs=bool(body.echo) and body.logprobs is not None,
    )
    await job.start(requests)
    return _Answer(service, body, prompts, job)


async def _collect(service: Service, answer: _Answer, job: Job) -> Completion:
    choices: dict[int, CompletionChoice] = {}
    async for written in service.written(job, answer.before):
        piece = answer.choice(written)
        choices[piece.index] = _joined(choices[piece.index], piece) if piece.index in choices else piece
    return answer.whole([choices[index] for index in sorted(choices)], answer.usage)


async def _events(service: Service, answer: _Answer, job: Job) -> AsyncIterator[str]:
    async for written in service.written(job, answer.before):
        yield answer.whole([answer.choice(written)], None).model_dump_json()
    if answer.body.stream_options is not None and answer.body.stream_options.include_usage:
        yield answer.whole([], answer.usage).model_dump_json()


def _joined(first: CompletionChoice, then: CompletionChoice) -> CompletionChoice:
    if first.logprobs is not None and then.logprobs is not None:
        first.logprobs.tokens += then.logprobs.tokens
        first.logprobs.token_logprobs += then.logprobs.token_logprobs
        first.logprobs.text_offset += then.logprobs.text_offset
        if first.logprobs.top_logprobs is not None:
            first.logprobs.top_logprobs += then.logprobs.top_logprobs or []
    return first.model_copy(update={"text": first.text + then.text, "finish_reason": then.finish_reason})


def _num_prompts(body: CompletionBody) -> int:
    return len(body.prompt) if isinstance(body.prompt, list) and not isinstance(body.prompt[0], int) else 1


async def _prompts(service: Service, body: CompletionBody, request: str) -> list[Prompt]:
    prompt = body.prompt
    if isinstance(prompt, str):
        return await service.prompts.of_texts([prompt], request)
    texts = [each for each in prompt if isinstance(each, str)]
    if texts:
        return await service.prompts.of_texts(texts, request)
    sequences = [each for each in prompt if isinstance(each, list)]
    return await service.prompts.of_ids(sequences or [[each for each in prompt if isinstance(each, int)]], request)

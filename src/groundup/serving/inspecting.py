"""POST /inspect: what happens inside the model while it reads a text. The page at /inside shows it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from groundup.generation.settings import GenerationSettings
from groundup.language_model.look_inside import (
    Reading,
    attention_weights,
    logit_lens,
    next_token,
    read,
    surprisals,
)
from groundup.language_model.model import LanguageModel
from groundup.serving.api_error import ApiError
from groundup.serving.guarding import Guard, checked_input
from groundup.serving.requests import Body, Number
from groundup.serving.service import Service, while_there

MAX_TOKENS = 256
MAX_CHARACTERS = 16 * MAX_TOKENS
MAX_POSITIONS = 32  # of the lens: each takes logits at every layer
MAX_CANDIDATES = 100
MAX_WAITING = 8


class AskNext(Body):
    """What may follow a token, by the model and under sampling settings."""

    position: Annotated[int, Field(ge=-MAX_TOKENS, lt=MAX_TOKENS)] = -1
    """The token that it follows; negative numbers count from the end."""
    temperature: Annotated[Number, Field(ge=0, le=2)] = 1.0
    top_k: Annotated[int, Field(ge=0, lt=2**31)] = 0
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    min_p: Annotated[Number, Field(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[Number, Field(gt=0, le=10)] = 1.0
    count: Annotated[int, Field(ge=1, le=MAX_CANDIDATES)] = 20
    """How many of the likeliest to give."""


class AskAttention(Body):
    """Where each token looks in a layer."""

    layer: Annotated[int, Field(ge=0, lt=2**16)] = 0
    """Counted from 0."""


class AskLens(Body):
    """What each layer would say comes next, behind some tokens."""

    first: Annotated[int, Field(ge=-MAX_TOKENS, lt=MAX_TOKENS)] = 0
    """The first of these tokens; negative numbers count from the end."""
    positions: Annotated[int, Field(ge=1, le=MAX_POSITIONS)] = MAX_POSITIONS
    """How many."""
    count: Annotated[int, Field(ge=1, le=10)] = 3
    """How many of the likeliest to give for each."""


class InspectBody(Body):
    """POST /inspect."""

    text: Annotated[str, Field(max_length=MAX_CHARACTERS)]
    """The text to read; what it spells stays text, special tokens included."""
    model: Annotated[str, Field(max_length=1000)] | None = None
    next: AskNext | None = None
    attention: AskAttention | None = None
    lens: AskLens | None = None


class ReadToken(BaseModel):
    """A token of the text, or the one that stands before it."""

    id: int
    text: str
    """With U+FFFD for each byte that is no whole character."""
    bytes: list[int]
    """Those of all tokens together are the text's, in UTF-8."""
    special: bool
    surprisal: float | None
    """-log2 p, in bits; null for the first, which nothing predicts."""


class LikelyNext(BaseModel):
    """A token that may come next."""

    id: int
    text: str
    bytes: list[int]
    before: float
    """Its probability as the model has it."""
    after: float
    """The one that it is drawn with."""


class Next(BaseModel):
    """What may follow a token."""

    position: int
    candidates: list[LikelyNext]
    num_kept: int
    """How many tokens can be drawn at all."""
    entropy_before: float
    """In bits."""
    entropy_after: float


class Attention(BaseModel):
    """Where each token looks in one layer."""

    layer: int
    heads: list[list[list[float]]]
    """For each head, for each token, how much it looks at each token up to itself; every row sums to 1."""


class LayerGuess(BaseModel):
    """What one layer would say comes next."""

    likeliest: list[tuple[int, str, float]]
    """(id, text, probability), likeliest first."""
    next_rank: int | None
    """The place of the token that really follows, from 1; null after the last."""
    next_probability: float | None


class Lens(BaseModel):
    """The logit lens."""

    first: int
    layers: list[list[LayerGuess]]
    """What enters the first layer, then what each layer leaves; in each, a guess behind each token from `first` on."""


class Inspected(BaseModel):
    """What was asked for."""

    num_layers: int
    num_heads: int
    max_tokens: int
    """The most tokens that can be looked at."""
    tokens: list[ReadToken]
    next: Next | None
    attention: Attention | None
    lens: Lens | None


def inspect(language_model: LanguageModel, body: InspectBody) -> Inspected:
    """The answer. Raises `GroundupError` for a text that is too long, or a place that isn't there."""
    tokenizer, config = language_model.tokenizer, language_model.model.config
    reading = read(language_model, body.text, MAX_TOKENS)
    special = set(tokenizer.special_tokens().values())
    tokens = [
        ReadToken(id=token, special=token in special, surprisal=bits, **_spelled(language_model, token))
        for token, bits in zip(reading.ids, surprisals(reading), strict=True)
    ]
    return Inspected(
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        max_tokens=min(MAX_TOKENS, config.max_seq_len),
        tokens=tokens,
        next=None if body.next is None else _next(language_model, reading, body.next),
        attention=None if body.attention is None else _attention(reading, body.attention.layer),
        lens=None if body.lens is None else _lens(language_model, reading, body.lens),
    )


def _next(language_model: LanguageModel, reading: Reading, asked: AskNext) -> Next:
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    settings = GenerationSettings(**{name: getattr(asked, name) for name in names})
    found = next_token(reading, asked.position, settings, asked.count)
    candidates = [
        LikelyNext(id=one.id, before=one.before, after=one.after, **_spelled(language_model, one.id))
        for one in found.candidates
    ]
    return Next(
        position=reading.position(asked.position),
        candidates=candidates,
        num_kept=found.num_kept,
        entropy_before=found.entropy_before,
        entropy_after=found.entropy_after,
    )


def _attention(reading: Reading, layer: int) -> Attention:
    heads = attention_weights(reading, layer).tolist()
    rounded = [[[round(weight, 4) for weight in row[: place + 1]] for place, row in enumerate(head)] for head in heads]
    return Attention(layer=layer, heads=rounded)


def _lens(language_model: LanguageModel, reading: Reading, asked: AskLens) -> Lens:
    def text(token: int) -> str:
        return language_model.tokenizer.token_bytes(token).decode("utf-8", "replace")

    layers = [
        [
            LayerGuess(
                likeliest=[(token, text(token), share) for token, share in guess.likeliest],
                next_rank=guess.next_rank,
                next_probability=guess.next_probability,
            )
            for guess in guesses
        ]
        for guesses in logit_lens(reading, asked.first, asked.positions, asked.count)
    ]
    return Lens(first=reading.position(asked.first), layers=layers)


def _spelled(language_model: LanguageModel, token: int) -> dict[str, Any]:
    spelled = language_model.tokenizer.token_bytes(token)
    return {"text": spelled.decode("utf-8", "replace"), "bytes": list(spelled)}


class Inspector:
    """Looks inside for whoever asks, one at a time and off the event loop, so that replies go on being written."""

    def __init__(self, language_model: LanguageModel, guard: Guard | None = None) -> None:
        self._language_model, self._guard = language_model, guard
        self._thread = ThreadPoolExecutor(1, "inspector")
        self._waiting = 0

    async def inspect(self, body: InspectBody) -> Inspected:
        """The answer to a body. Raises `ApiError`: 503 where too many wait for theirs, 400 for a text that the guard refuses."""
        if self._waiting >= MAX_WAITING:
            raise ApiError(503, "too many look inside the model at once: try again in a moment", code="overloaded")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._inspect, body)
        finally:
            self._waiting -= 1

    def _inspect(self, body: InspectBody) -> Inspected:
        text = checked_input(self._guard, body.text, "inspect")
        return inspect(self._language_model, body.model_copy(update={"text": text}))


def inspect_routes(service: Service) -> APIRouter:
    """The route."""
    router, inspector = APIRouter(), Inspector(service.language_model, service.guard)

    @router.post("/inspect")
    async def inspect_text(body: InspectBody, request: Request) -> Inspected:
        """What happens inside the model while it reads a text."""
        service.check_model(body.model)
        if (
            service.guard is not None and service.guard.changes_output
        ):  # token by token, all of a text could leave unchecked
            raise ApiError(
                403, "this server's guard checks texts, so single tokens are not shown: there is no look inside"
            )
        return await while_there(
            request, inspector.inspect(body)
        )  # whoever types on has left: what waited is not computed

    return router

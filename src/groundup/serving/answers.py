"""What is answered, in the shapes of OpenAI's API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Finish = Literal["stop", "length", "content_filter"]


class Answer(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(protected_namespaces=())


class Usage(Answer):
    """How many tokens were read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionLogprobs(Answer):
    """One entry a token: the text of it, its ln p, the likeliest with theirs, and where it begins in the text."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class CompletionChoice(Answer):
    """One text."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Finish | None = None


class Completion(Answer):
    """The answer of /v1/completions, and each piece of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class LikelyToken(Answer):
    """A token that could stand there."""

    token: str
    logprob: float
    bytes: list[int] | None
    """Its UTF-8; null for a token that is only a part of a character."""


class ChatToken(LikelyToken):
    """The token that stands there."""

    top_logprobs: list[LikelyToken]


class ChatLogprobs(Answer):
    """One entry a token."""

    content: list[ChatToken]
    refusal: None = None


class Reply(Answer):
    """What the model says."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(Answer):
    """One reply."""

    index: int
    message: Reply
    logprobs: ChatLogprobs | None = None
    finish_reason: Finish


class ChatCompletion(Answer):
    """The answer of /v1/chat/completions."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class Delta(Answer):
    """What comes on top of a reply."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(Answer):
    """One reply's next piece."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: Finish | None = None


class ChatChunk(Answer):
    """A piece of a chat's stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | None = None


class Generated(Answer):
    """The answer of /generate: the prompt and what follows it."""

    generated_text: str


class ModelCard(Answer):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["groundup"] = "groundup"
    max_model_len: int
    """The most tokens of a text, prompt and reply together."""


class ModelList(Answer):
    """The answer of /v1/models."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Tokenized(Answer):
    """The answer of /tokenize."""

    tokens: list[int]
    count: int
    max_model_len: int


class Detokenized(Answer):
    """The answer of /detokenize."""

    prompt: str


class Status(Answer):
    """The answer of /health and /ready."""

    status: Literal["ok"] = "ok"

"""What may be asked, field by field, with its limits; a field that isn't here is refused by its name.

Names and meanings are those of OpenAI's API; `top_k`, `min_p`, `repetition_penalty` and `overflow` come on top. Fields that would reach
into the server, such as arguments for a chat template, tools or files, are not here on purpose.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from groundup.config import is_unicode

MAX_TEXTS = 16
MAX_STOPS = 16
MAX_STOP_CHARACTERS = 200
MAX_BIASES = 300
MAX_LIKELIEST = 20
MAX_MESSAGES = 1000
MAX_TOKENS = 2**31


def _whole(text: str) -> str:
    if not is_unicode(text):
        raise ValueError("this holds half of a surrogate pair, which is no valid Unicode: remove it, or write U+FFFD")
    return text


Text = Annotated[str, AfterValidator(_whole)]
Name = Annotated[Text, Field(max_length=1000)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
Stop = Annotated[Text, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Body(BaseModel):
    """A JSON object; numbers are numbers and texts texts."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class StreamOptions(Body):
    """What is sent beside the text."""

    include_usage: bool = False
    """One more piece at the end, with the number of tokens."""
    include_obfuscation: bool = False
    """Accepted, and without effect."""


class SamplingBody(Body):
    """What completions and chats have in common."""

    model: Name | None = None
    """The model's name, if given: the one of `/v1/models`."""
    n: Annotated[int, Field(ge=1, le=MAX_TEXTS)] | None = 1
    """How many texts to write."""
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = 1.0
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = 1.0
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = 0
    """Sample from so many likeliest tokens only; 0 or -1 for all."""
    min_p: Annotated[Number, Field(ge=0, le=1)] | None = 0.0
    repetition_penalty: Annotated[Number, Field(gt=0, le=10)] | None = 1.0
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = 0.0
    """Taken off the scores of tokens that were written already."""
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = 0.0
    """Taken off the same for each time that they were."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """The same seed writes the same text; without one each answer is another."""
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    """Texts before which to end."""
    logit_bias: (
        Annotated[
            dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Annotated[Number, Field(ge=-100, le=100)]],
            Field(max_length=MAX_BIASES),
        ]
        | None
    ) = None
    """Added to the scores of these tokens: {"id": from -100 to 100}."""
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    overflow: Literal["slide", "error"] | None = None
    """What happens to a text that would outgrow the context; the server's own setting if not given."""
    user: Name | None = None
    """Accepted, and neither used nor kept."""


class CompletionBody(SamplingBody):
    """POST /v1/completions."""

    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
        | Annotated[list[Id], Field(min_length=1)]
        | Annotated[list[Annotated[list[Id], Field(min_length=1)]], Field(min_length=1, max_length=MAX_TEXTS)]
    )
    """A text, several, or tokens."""
    max_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] | None = 16
    """The most tokens to write; 0 with `echo` only looks at the prompt."""
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """The same under its newer name; it counts if both are given."""
    logprobs: Annotated[int, Field(ge=0, le=MAX_LIKELIEST)] | None = None
    """Give log-probabilities, and those of so many likeliest tokens."""
    echo: bool | None = False
    """Give the prompt, too."""
    best_of: Annotated[int, Field(ge=1, le=MAX_TEXTS)] | None = None
    """Only the same as `n`."""
    suffix: None = None
    """Not here: `groundup complete` fills in a middle."""


class TextPart(Body):
    """A piece of a message."""

    type: Literal["text"]
    text: Text


class ChatMessage(Body):
    """What somebody said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=MAX_MESSAGES)]
    name: Name | None = None
    """Accepted, and not used."""


class ChatBody(SamplingBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """The most tokens of the reply; as many as the context has room for if not given."""
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """The same under its older name."""
    logprobs: bool | None = False
    """Give the tokens' log-probabilities."""
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_LIKELIEST)] | None = None
    """And those of so many likeliest tokens; with `logprobs` only."""


class GenerateBody(Body):
    """POST /generate."""

    prompt: Text = ""
    """The text to continue; empty starts a new text."""
    max_length: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 100
    """The most tokens to add."""


class TokenizeBody(Body):
    """POST /tokenize."""

    prompt: Text
    """A text; what it spells stays text, special tokens included."""
    model: Name | None = None


class DetokenizeBody(Body):
    """POST /detokenize."""

    tokens: list[Id]
    model: Name | None = None

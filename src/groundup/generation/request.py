"""What is asked of the engine, and what it answers: a request, and the tokens that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from groundup.errors import GenerationError
from groundup.generation.settings import GenerationSettings

LARGEST_BIAS = 1e30  # scores are fp32 numbers, and stay such with it


@dataclass(frozen=True)
class Request:
    """One text to go on from. Whatever else is in the batch, its tokens follow from these fields alone (but for the rounding of
    the matrix products)."""

    prompt: Sequence[int]
    settings: GenerationSettings
    """How to choose; `stop`, `language` and `num_samples` are for those who know texts."""
    sample: int = 0
    """Which of several samples of a prompt: the random numbers follow from (settings.seed, sample) alone."""
    stop_ids: frozenset[int] | None = None
    """Ids that end the text; the one that does is given as its last. None: the tokenizer's end tokens, where a tokenizer is known."""
    logprobs: int | None = None
    """Give the chosen token's log-probability, and so many of the likeliest tokens'; None for none. They are the network's own,
    before any of the settings."""
    prompt_logprobs: bool = False
    """Give the same for the prompt's tokens, with the first new token; by the network's own pass in its own weights, even where another,
    perhaps with fewer bits, writes."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """What is added to the scores of these tokens, before the settings."""
    overflow: Literal["slide", "error"] = "slide"
    """A text that outgrows the context: forget its oldest part, or refuse the request at once if it could."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How likely a token was where it stands."""

    id: int
    logprob: float
    """ln of its probability."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens there with theirs, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Token:
    """One new token of one text."""

    ticket: int
    """Whose: what `Engine.add` gave."""
    id: int
    finish: Literal["end", "length"] | None = None
    """Why the text ended here: this is one of its `stop_ids`, or the last of `max_new_tokens`. None: it goes on."""
    logprob: float | None = None
    likeliest: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens in its place and their log-probabilities, the likeliest first."""
    prompt: tuple[Scored, ...] | None = None
    """With the first token, if `prompt_logprobs` were asked for: the prompt's tokens from its second on."""

    @property
    def row(self) -> int:
        """Of a `Generation`: which of the prompts it continues."""
        return self.ticket


def check(request: Request, vocab_size: int, max_len: int) -> None:
    """Raise `GenerationError` for what a model with this vocabulary, with room for `max_len` tokens, can't serve."""
    if not request.prompt:
        raise GenerationError("the prompt is empty and this model has no end token to start from: give a prompt")
    outside = [token for token in request.prompt if not 0 <= token < vocab_size]
    if outside:
        raise GenerationError(
            f"token {outside[0]} of the prompt is not in the model's vocabulary of {vocab_size}: "
            "use the model's own tokenizer"
        )
    for token, bias in request.logit_bias.items():
        if not 0 <= token < vocab_size:
            raise GenerationError(
                f"logit_bias names token {token}, which is not in the model's vocabulary of {vocab_size}: "
                "use ids of the model's own tokenizer"
            )
        if not abs(bias) <= LARGEST_BIAS:
            raise GenerationError(
                f"logit_bias of token {token} is {bias}: use a number from -{LARGEST_BIAS:g} to {LARGEST_BIAS:g}"
            )
    if request.logprobs is not None and not 0 <= request.logprobs <= vocab_size:
        raise GenerationError(
            f"logprobs = {request.logprobs}: use a whole number from 0 to {vocab_size}, the model's vocabulary"
        )
    length, new = len(request.prompt), request.settings.max_new_tokens
    if request.overflow == "error" and length + new > max_len:
        raise GenerationError(
            f"the prompt's {length:,} tokens and {new:,} new ones are more than the context of {max_len:,} tokens: "
            "shorten the prompt, or ask for fewer tokens"
        )
    if request.prompt_logprobs and length > max_len:
        raise GenerationError(
            f"the prompt is {length:,} tokens long but the context only {max_len:,}, and the log-probabilities of all of it "
            "are asked for: shorten the prompt"
        )

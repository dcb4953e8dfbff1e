"""Tokens and their log-probabilities as they are written in answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from groundup.generation.request import Token
from groundup.language_model.text_stream import HALF_CHARACTER
from groundup.serving.answers import ChatLogprobs, ChatToken, LikelyToken
from groundup.tokens.tokenizer import Tokenizer

LEAST = -9999.0  # what OpenAI writes for the ln of 0, which JSON has no number for


def finite(logprob: float) -> float:
    """ln p as JSON can hold it."""
    return logprob if math.isfinite(logprob) else LEAST


class TokenTexts:
    """The text of single tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, str] = {}

    def of(self, token_id: int) -> str:
        """What a token stands for, special ones their name; of a piece of a character U+FFFD."""
        if token_id not in self._known:
            self._known[token_id] = self._tokenizer.decode([token_id], skip_special_tokens=False)
        return self._known[token_id]

    def length(self, token_id: int) -> int:
        """How many characters of the text are its own: none of a special token's, which is left out, nor of a piece of a character's."""
        return len(self._tokenizer.decode([token_id]).replace(HALF_CHARACTER, ""))

    def likeliest(self, likeliest: Sequence[tuple[int, float]]) -> dict[str, float]:
        """{text: ln p}, the likeliest first; of tokens with the same text the likelier."""
        texts: dict[str, float] = {}
        for token_id, logprob in likeliest:
            texts.setdefault(self.of(token_id), finite(logprob))
        return texts

    def for_chat(self, tokens: Sequence[Token], text: str, stopped: bool) -> ChatLogprobs:
        """The entries of a reply's tokens; those of a stop text, which is left out of it, are left out too."""
        content, length = [], 0
        for token in tokens:
            if token.finish == "end" or (stopped and length >= len(text)):
                continue
            shown = self._shown(token.id, token.logprob or 0.0)
            length += self.length(token.id)
            likeliest = [self._shown(*each) for each in token.likeliest]
            content.append(ChatToken(**shown.model_dump(), top_logprobs=likeliest))
        return ChatLogprobs(content=content)

    def _shown(self, token_id: int, logprob: float) -> LikelyToken:
        text = self.of(token_id)
        return LikelyToken(
            token=text, logprob=finite(logprob), bytes=None if HALF_CHARACTER in text else list(text.encode())
        )

"""Tokens and their log-probabilities as they are written in answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from groundup.generation.request import Token
from groundup.language_model.text_stream import HALF_CHARACTER, IncrementalDecoder
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

    def likeliest(self, likeliest: Sequence[tuple[int, float]]) -> dict[str, float]:
        """{text: ln p}, the likeliest first; of tokens with the same text the likelier."""
        texts: dict[str, float] = {}
        for token_id, logprob in likeliest:
            texts.setdefault(self.of(token_id), finite(logprob))
        return texts

    def for_chat(self, tokens: Sequence[Token]) -> ChatLogprobs:
        """The entries of a reply's tokens."""
        content = []
        for token in tokens:
            shown = self._shown(token.id, token.logprob or 0.0)
            likeliest = [self._shown(*each) for each in token.likeliest]
            content.append(ChatToken(**shown.model_dump(), top_logprobs=likeliest))
        return ChatLogprobs(content=content)

    def _shown(self, token_id: int, logprob: float) -> LikelyToken:
        text = self.of(token_id)
        return LikelyToken(
            token=text, logprob=finite(logprob), bytes=None if HALF_CHARACTER in text else list(text.encode())
        )


class Places:
    """Where the tokens of one text begin in it, in characters. The tokens of one character all begin where it does."""

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Sequence[int] = ()) -> None:
        self._decode, self._decoder = tokenizer.decode, IncrementalDecoder(tokenizer.decode, prompt_ids)
        self._told = self._end = 0
        self._in_character = False

    def next(self, token_id: int) -> int:
        """That of the next token."""
        begin, own, new = self._end, self._decode([token_id]), self._decoder.add(token_id)
        self._end += len(new)
        if self._in_character and new.endswith(own):  # what came before it was no character, and is U+FFFD
            begin = self._end - len(own)
        self._in_character = not new and (self._in_character or bool(own))
        return begin

    def told(self, tokens: Sequence[Token], text: str, stopped: bool) -> list[tuple[Token, int]]:
        """The tokens of the next piece of the text with their places, without an end token and a stop text's, as the text is."""
        self._told += len(text)
        places = [(token, self.next(token.id)) for token in tokens if token.finish != "end"]
        return [(token, place) for token, place in places if not (stopped and place >= self._told)]

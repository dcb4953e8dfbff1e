"""What was sent, as the model reads it: ids. All of it happens off the event loop, in a few threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from groundup.language_model.chat import TURN_END, check_messages, transcript
from groundup.language_model.model import LanguageModel
from groundup.serving.api_error import ApiError
from groundup.serving.guarding import Guard, checked_input
from groundup.serving.settings import ServingSettings
from groundup.tokens.conversation import encode_conversation, end_of_turn

NUM_THREADS = 2
MAX_LOOKED_UP = 16  # requests at once that only ask for tokens or their text, and so take no place in the queue
Result = TypeVar("Result")


@dataclass(frozen=True)
class Prompt:
    """A text as the model reads it."""

    ids: list[int]
    text: str
    """What `echo` gives back."""
    stop_ids: frozenset[int]
    """Tokens that end what follows it."""
    stop: tuple[str, ...] = ()
    """Texts that do."""


class Prompts:
    """Makes prompts of texts, tokens and conversations; whatever isn't one is an `ApiError` that names the field.

    `request` is what the guard calls the request that they come with.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        settings: ServingSettings,
        context: int,
        guard: Guard | None,
    ) -> None:
        self.tokenizer, self.template = language_model.tokenizer, language_model.chat_template
        self.vocab_size = language_model.model.config.vocab_size
        self.settings, self.context, self.guard = settings, context, guard
        self.ends = frozenset(self.tokenizer.end_ids)
        turn_end = None if self.template is None else end_of_turn(self.tokenizer, self.template)
        self.turn_ends = self.ends if turn_end is None else self.ends | {turn_end}
        self._threads = ThreadPoolExecutor(NUM_THREADS, "tokenizer")
        self._num_looked_up = 0
        self._template_in_use = threading.Lock()  # one process renders one conversation at a time

    async def off_loop(self, work: Callable[[], Result]) -> Result:
        """The result of something that may take a while."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def of_texts(self, texts: Sequence[str], request: str) -> list[Prompt]:
        """Texts to go on from."""
        self._require_short(sum(map(len, texts)), "prompt")
        return [await self.off_loop(lambda text=text: self._of_text(text, request)) for text in texts]  # type: ignore[misc]

    async def of_ids(self, sequences: Sequence[Sequence[int]], request: str) -> list[Prompt]:
        """Tokens to go on from."""
        for ids in sequences:
            self._require_room(len(ids), "prompt")
            outside = next((token for token in ids if token >= self.vocab_size), None)
            if outside is not None:
                raise ApiError(
                    400, f"prompt: token {outside} is not in the model's vocabulary of {self.vocab_size:,}", "prompt"
                )
        return [await self.off_loop(lambda ids=ids: self._of_ids(list(ids), request)) for ids in sequences]  # type: ignore[misc]

    async def of_messages(self, messages: Sequence[Mapping[str, str]], request: str) -> Prompt:
        """A conversation to reply to, as the model's template writes it, or as a transcript where there is none."""
        self._require_short(sum(len(message["content"]) for message in messages), "messages")
        check_messages(messages)
        return await self.off_loop(lambda: self._of_messages(messages, request))

    async def of_tokens(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        outside = next((token for token in ids if token >= self.vocab_size), None)
        if outside is not None:
            raise ApiError(400, f"tokens: {outside} is not in the model's vocabulary of {self.vocab_size:,}", "tokens")
        return await self._look_up(lambda: self.tokenizer.decode(ids))

    async def plain_ids(self, text: str) -> list[int]:
        """A text's ids, whatever its length in tokens."""
        self._require_short(len(text), "prompt")
        return await self._look_up(lambda: self.tokenizer.encode(text))

    async def _look_up(self, work: Callable[[], Result]) -> Result:
        if self._num_looked_up >= MAX_LOOKED_UP:
            raise ApiError(503, "too many ask for tokens at once: come back in a moment", code="overloaded")
        self._num_looked_up += 1
        try:
            return await self.off_loop(work)
        finally:
            self._num_looked_up -= 1

    def _of_text(self, text: str, request: str) -> Prompt:
        text = checked_input(self.guard, text, request)
        return self._prompt(self.tokenizer.encode(text), text)

    def _of_ids(self, ids: list[int], request: str) -> Prompt:
        text = self.tokenizer.decode(ids)
        if self.guard is not None and (checked := checked_input(self.guard, text, request)) != text:
            return self._prompt(self.tokenizer.encode(checked), checked)
        return self._prompt(ids, text)

    def _prompt(self, ids: list[int], text: str, param: str = "prompt") -> Prompt:
        if not ids and self.tokenizer.end_id is None:
            raise ApiError(
                400, f"{param}: it is empty, and this model has no end token to start from: give a text", param
            )
        self._require_room(len(ids), param)
        return Prompt(ids or [self.tokenizer.end_id or 0], text, self.ends)

    def _of_messages(self, messages: Sequence[Mapping[str, str]], request: str) -> Prompt:
        if self.guard is not None:
            messages = [
                {**message, "content": checked_input(self.guard, message["content"], request)} for message in messages
            ]
        if self.template is None:
            text = transcript(messages)
            prompt = replace(self._prompt(self.tokenizer.encode(text), text, "messages"), stop=(TURN_END,))
        else:
            with self._template_in_use:
                ids = encode_conversation(self.tokenizer, self.template, messages, add_generation_prompt=True)
            prompt = Prompt(ids, "", self.turn_ends)
        self._require_room(len(prompt.ids) + 1, "messages")
        return prompt

    def _require_short(self, num_characters: int, param: str) -> None:
        most = self.settings.max_prompt_characters
        if num_characters > most:
            raise ApiError(
                400,
                f"{param}: {num_characters:,} characters are more than the {most:,} that are read here: shorten it",
                param,
                "string_above_max_length",
            )

    def _require_room(self, num_tokens: int, param: str) -> None:
        if num_tokens > self.context:
            raise ApiError(
                400,
                f"{param}: it comes to {num_tokens:,} tokens, and the context has room for {self.context:,}: shorten it",
                param,
                "context_length_exceeded",
            )

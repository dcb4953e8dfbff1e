"""The only decoder: several prompts in one batch over one key/value cache, a token a step. It knows ids, not text.

    for tokens in Generation(model, prompts, settings, end_id=0):
        for token in tokens:
            print(token.row, token.id, token.finish)

Shapes: B rows still going, T tokens read at once, V vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from groundup.device import memory_bytes
from groundup.errors import GenerationError
from groundup.generation.sampling import choose, warp_logits
from groundup.generation.settings import GenerationSettings
from groundup.model.transformer import KVCache, Transformer

Forward = Callable[[Tensor, KVCache], Tensor]
"""Reads ids (B, T) into the cache, whose lengths grow by T; gives the logits (B, V) after the last of them."""


BYTES_A_ROW = 10_000  # of Python's: its list of ids, its random numbers, its stream of text


@dataclass(frozen=True, slots=True)
class Token:
    """One new token of one row."""

    row: int
    """Which of the prompts it continues."""
    id: int
    finish: Literal["end", "length"] | None = None
    """Why the row ended here: this is an end token, or the last of `max_new_tokens`. None: the row goes on."""


class Generation(Iterator[list[Token]]):
    """The continuation of several prompts: each step gives one new token for every row that is still going.

    A row leaves after the end token or one of `stop_ids` (given as its last) or after `max_new_tokens`, or when the caller
    says `stop(row)`.
    Row i draws its random numbers from (settings.seed, i) alone, so its tokens don't depend on who else is in the batch
    (but for the rounding of the matrix products). For several samples of a prompt, repeat the prompt. An empty prompt
    starts from the end token.

    A token is chosen from the context that `context_start` gives its place: all that came before, until that is longer
    than `max_seq_len`; then the oldest `slide` tokens are dropped at a time (by default a quarter of the context) and
    the rest is read anew. So of a prompt longer than the context the last tokens are read, at least
    `max_seq_len - slide + 1` of them.

    `forward` replaces the network's own pass. Dropout is off during each step. Raises `GenerationError` for an empty
    prompt without an end token, ids that the model doesn't have, and a model whose scores are not numbers.
    """

    def __init__(
        self,
        model: Transformer,
        prompts: Sequence[Sequence[int]],
        settings: GenerationSettings,
        end_id: int | None = None,
        slide: int | None = None,
        forward: Forward | None = None,
        stop_ids: Collection[int] = (),
    ) -> None:
        self.model, self.settings, self.end_ids = model, settings, {end_id, *stop_ids}
        self.max_seq_len = model.config.max_seq_len
        self.slide = default_slide(self.max_seq_len) if slide is None else slide
        if not 1 <= self.slide <= self.max_seq_len:
            raise GenerationError(
                f"slide = {self.slide}: use a whole number from 1 to the model's context, {self.max_seq_len}"
            )
        self.forward = forward or last_logits(model)
        _require_room(model, max(map(len, prompts), default=0) + settings.max_new_tokens, len(prompts))
        self.texts = [_prompt_ids(prompt, end_id, model.config.vocab_size) for prompt in prompts]
        self.rows = list(range(len(prompts)))  # row i of the cache belongs to prompt rows[i]
        self._stopped: set[int] = set()
        self._uniforms = [random.Random(f"{settings.seed}:{row}") for row in self.rows]
        self._num_new = 0
        self._cache: KVCache | None = None
        self._seen: Tensor | None = None  # (B, V), kept for a repetition penalty only

    def stop(self, row: int) -> None:
        """Give no more tokens for this row, e.g. because its text holds a stop string."""
        self._stopped.add(row)

    def __next__(self) -> list[Token]:
        self._leave(self._stopped)
        if not self.rows:
            raise StopIteration
        with evaluating(self.model):
            ids = self._choose(self._read()).tolist()
        self._num_new += 1
        last = self._num_new == self.settings.max_new_tokens
        tokens = []
        for row, new in zip(self.rows, ids, strict=True):
            self.texts[row].append(new)
            tokens.append(Token(row, new, "end" if new in self.end_ids else "length" if last else None))
        self._leave({token.row for token in tokens if token.finish})
        return tokens

    def _read(self) -> Tensor:
        """Read each row's newest token; the logits (B, V) that follow it."""
        if self._cache is None:
            self._fill(list(range(len(self.rows))))
        else:
            full = [i for i, length in enumerate(self._cache.lengths) if length == self.max_seq_len]
            if full:
                self._fill(full)
        assert self._cache is not None
        newest = torch.tensor([[self.texts[row][-1]] for row in self.rows], device=self._cache.keys.device)  # (B, 1)
        logits = self.forward(newest, self._cache)
        if not logits.amax().isfinite():
            raise GenerationError(
                "the model's scores are not finite numbers: its weights are damaged, so use another checkpoint"
            )
        return logits

    def _fill(self, places: list[int]) -> None:
        """Read the contexts of these rows of the cache anew, all but the newest token."""
        texts = [self.texts[self.rows[i]] for i in places]
        contexts = [text[context_start(len(text), self.max_seq_len, self.slide) : -1] for text in texts]
        longest = max(map(len, contexts))
        weight = self.model.token_embedding.weight
        room = min(self.max_seq_len, max(map(len, texts)) + self.settings.max_new_tokens)
        fresh = KVCache(self.model.config, len(places), room, weight.device, weight.dtype)
        if longest:
            padded = [
                context + [0] * (longest - len(context)) for context in contexts
            ]  # the cache hides what is past a row's length
            self.forward(torch.tensor(padded, device=weight.device), fresh)
        fresh.lengths = [len(context) for context in contexts]
        if self._cache is None or len(places) == len(self.rows):
            self._cache = fresh
        else:
            self._cache.keys[:, places], self._cache.values[:, places] = fresh.keys, fresh.values
            for i, length in zip(places, fresh.lengths, strict=True):
                self._cache.lengths[i] = length

    def _choose(self, logits: Tensor) -> Tensor:
        """One id for each row (B,) from its logits (B, V)."""
        if self.settings.repetition_penalty != 1.0 and self._seen is None:
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            for i, row in enumerate(self.rows):
                self._seen[i, self.texts[row]] = True
        uniforms = torch.tensor([self._uniforms[row].random() for row in self.rows], dtype=torch.float64)
        ids = choose(warp_logits(logits, self.settings, self._seen), self.settings, uniforms)
        if self._seen is not None:
            self._seen.scatter_(1, ids[:, None], True)
        return ids

    def _leave(self, leaving: set[int]) -> None:
        """Drop these rows, and what the cache holds of them."""
        staying = [i for i, row in enumerate(self.rows) if row not in leaving]
        if len(staying) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in staying]
        if self.rows and self._cache is not None:
            self._cache.keep_rows(staying)
            self._seen = self._seen[staying] if self._seen is not None else None


def context_start(place: int, max_seq_len: int, slide: int) -> int:
    """The first token that the token at `place` is chosen from; the last is the one before it. Both count from 0.

    0 up to place = max_seq_len; from there on it jumps ahead by `slide` whenever the context would be longer than
    max_seq_len. With slide = 1 it is place - max_seq_len: the context is cropped to its last tokens at each step.
    """
    return max(0, -(-(place - max_seq_len) // slide) * slide)


def default_slide(max_seq_len: int) -> int:
    """A quarter of the context: what is read anew, in one pass, comes to about three tokens per new token."""
    return max(1, max_seq_len // 4)


def last_logits(model: Transformer) -> Forward:
    """The network's own pass, with logits for the last token alone."""

    def forward(ids: Tensor, cache: KVCache) -> Tensor:
        return model.logits(model.hidden_states(ids, cache=cache)[:, -1])

    return forward


@contextmanager
def evaluating(model: Transformer) -> Iterator[None]:
    """Without gradients and without dropout; a model that was training goes on training after."""
    training = model.training
    if training:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if training:
            model.train()


def _require_room(model: Transformer, num_tokens: int, num_rows: int) -> None:
    """Raise `GenerationError` when the cache of keys and values would not fit into this machine's memory."""
    config, there = model.config, memory_bytes()
    a_token = 2 * config.num_layers * config.num_kv_heads * config.head_dim * model.token_embedding.weight.itemsize
    needed = num_rows * (min(config.max_seq_len, num_tokens) * a_token + BYTES_A_ROW)
    if needed > there > 0:
        raise GenerationError(
            f"{num_rows:,} texts at once need about {needed / 1e9:,.0f} GB, and this machine has {there / 1e9:,.0f} GB: "
            "ask for fewer at a time"
        )


def _prompt_ids(prompt: Sequence[int], end_id: int | None, vocab_size: int) -> list[int]:
    ids = list(prompt)
    if not ids:
        if end_id is None:
            raise GenerationError("the prompt is empty and this model has no end token to start from: give a prompt")
        return [end_id]
    outside = [token for token in ids if not 0 <= token < vocab_size]
    if outside:
        raise GenerationError(
            f"token {outside[0]} of the prompt is not in the model's vocabulary of {vocab_size}: "
            "use the model's own tokenizer"
        )
    return ids

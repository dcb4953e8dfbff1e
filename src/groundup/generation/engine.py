"""The only decoder: texts that join and leave a batch at any step, over one cache of keys and values. It knows ids, not text.

    engine = Engine(model, num_slots=16)
    ticket = engine.add(Request([1, 2, 3], GenerationSettings(max_new_tokens=5)))
    while engine.busy:
        for token in engine.step():
            print(token.ticket, token.id, token.finish)

Shapes: B texts in the batch, T tokens read at once, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import torch

from groundup.errors import GenerationError
from groundup.generation.choosing import choose_tokens, score_chosen, score_tokens
from groundup.generation.context import context_start, default_slide
from groundup.generation.forward import Forward, evaluating, last_logits, threads_at_rest
from groundup.generation.request import Request, Token, check
from groundup.generation.running_text import RunningText
from groundup.generation.slots import LEAST_SHARED, Slots, common_beginning, require_room
from groundup.model.transformer import KVCache, Transformer

LONGEST_PIECE = 1024  # tokens of prompts that go through the network at once, so that its activations stay small
LONGEST_SCORED_PIECE = 128  # tokens whose scores of the whole vocabulary are made at once


@dataclass(frozen=True)
class CacheUse:
    """What the cache holds, in tokens."""

    running: int
    """Of texts in the batch."""
    kept: int
    """Of texts that left, for prompts with the same beginning."""
    room: int
    """What it could hold."""


class Engine:
    """Texts in a batch: each `step` reads prompts, and gives one new token for every text that is read.

    `num_slots` texts run at once, of up to `max_len` tokens each (0: the model's context); others wait, and join in the order
    in which they came. A text leaves after one of its `stop_ids` (given as its last token), after `max_new_tokens`, or when it is canceled.
    Prompts are read in pieces: at most `piece` tokens in a step in which others have a next token to come (0: all of them at once).

    A token is chosen from the context that `context_start` gives its place: all that came before, until that is longer
    than `max_len`; then the oldest `slide` tokens are dropped at a time (by default a quarter) and the rest is read anew. So of a prompt
    longer than the context the last tokens are read, at least `max_len - slide + 1` of them.

    `forward` replaces the network's own pass. Dropout is off during each step. Not for several threads at once. Raises
    `GenerationError` for a cache that this machine's memory can't hold, and for a model whose scores are not numbers.

    After a `step` that raises, whatever it was, the texts that ran are out and their slots free (`holds` tells which are still in);
    those that waited go on with the next step.
    """

    def __init__(
        self,
        model: Transformer,
        num_slots: int,
        max_len: int = 0,
        forward: Forward | None = None,
        slide: int | None = None,
        piece: int = 128,
    ) -> None:
        context, weight = model.config.max_seq_len, model.token_embedding.weight
        self.model, self.num_slots = model, num_slots
        self.max_len = max_len or context
        self.slide = default_slide(self.max_len) if slide is None else min(slide, self.max_len)
        if num_slots < 1:
            raise GenerationError(f"num_slots = {num_slots}: use a whole number of at least 1")
        if not 1 <= self.max_len <= context:
            raise GenerationError(
                f"max_len = {self.max_len}: use a whole number from 1 to the model's context, {context}"
            )
        if slide is not None and not 1 <= slide <= context:
            raise GenerationError(f"slide = {slide}: use a whole number from 1 to the model's context, {context}")
        require_room(model.config, weight.itemsize, self.max_len, num_slots)
        self.num_reused = 0
        """Tokens of prompts that needn't be read, since a slot held them."""
        self.num_read = 0
        """Tokens of prompts that were read."""
        self._forward, self._piece, self._device = forward or last_logits(model), piece, weight.device
        self._is_replaced = forward is not None
        self._slots = Slots(self._new_cache(num_slots, self.max_len))
        self._waiting: deque[RunningText] = deque()
        self._texts: list[
            RunningText
        ] = []  # those that run, as their rows lie: first `_num_ready` whose contexts are read
        self._num_ready = 0
        self._num_tickets = 0

    @property
    def num_waiting(self) -> int:
        """Texts that wait for a slot."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Texts that have one."""
        return len(self._texts)

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._texts or self._waiting)

    @property
    def cache_use(self) -> CacheUse:
        """What the cache holds now."""
        lengths = [len(slot.ids) for slot in self._slots.all]
        running = sum(lengths[: len(self._texts)])
        return CacheUse(running, sum(lengths) - running, self.num_slots * self.max_len)

    def add(self, request: Request) -> int:
        """Take a request in: its ticket. Raises `GenerationError` for what can't be served."""
        check(request, self.model.config.vocab_size, self.max_len)
        ticket = self._num_tickets
        self._num_tickets += 1
        self._waiting.append(RunningText(ticket, request, self.model.config.vocab_size, self._device))
        return ticket

    def holds(self, ticket: int) -> bool:
        """Whether more may come for this ticket: it waits or runs."""
        return any(text.ticket == ticket for text in (*self._texts, *self._waiting))

    def cancel(self, ticket: int) -> None:
        """Give no more tokens for this ticket; its slot is free at once. Nothing happens if it ended before."""
        for text in self._waiting:
            if text.ticket == ticket:
                self._waiting.remove(text)
                return
        for place, text in enumerate(self._texts):
            if text.ticket == ticket:
                self._leave(place)
                return

    def step(self) -> list[Token]:
        """Read more of the prompts, and one new token for every text whose prompt is read; nothing when idle."""
        try:
            with evaluating(self.model), threads_at_rest(self._forward):
                self._join()
                self._read_prompts()
                return self._next_tokens() if self._num_ready else []
        except BaseException:
            self.end_running()
            raise

    def end_running(self) -> None:
        """Take out the texts that run, wherever a step may have left them. The cache begins anew: a NaN in it, even where no text reads,
        would reach those to come."""
        self._texts, self._num_ready = [], 0
        self._slots = Slots(self._new_cache(self.num_slots, self.max_len))

    def _new_cache(self, num_rows: int, max_len: int) -> KVCache:
        return KVCache(self.model.config, num_rows, max_len, self._device, self.model.token_embedding.weight.dtype)

    def _join(self) -> None:
        """Give free slots to those who wait, and let those whose row is full read their later part anew."""
        for place in range(self._num_ready - 1, -1, -1):
            text = self._texts[place]
            if len(text.slot.ids) == self.max_len:
                text.slot.ids = []
                self._num_ready -= 1
                self._exchange(place, self._num_ready)
                self._begin(text)
        while self._waiting and len(self._texts) < self.num_slots:
            text = self._waiting.popleft()
            self._begin(text)
            text.slot = self._slots.take([] if text.num_unscored and not self._is_replaced else text.context)
            self.num_reused += len(text.slot.ids)
            self._texts.append(text)

    def _begin(self, text: RunningText) -> None:
        text.context = text.ids[context_start(len(text.ids), self.max_len, self.slide) : -1]

    def _read_prompts(self) -> None:
        """Fill rows with their contexts, in the order in which they lie, as far as this step may."""
        left = self._piece if self._piece and self._num_ready else float("inf")
        while self._num_ready < len(self._texts) and left > 0:
            left -= self._read_piece(int(min(left, LONGEST_PIECE)))

    def _read_piece(self, most: int) -> int:
        """Read a piece of the oldest prompt that isn't read, or the rest of several at once; how many places went through the network."""
        first = self._num_ready
        oldest = min(range(first, len(self._texts)), key=lambda place: self._texts[place].ticket)
        self._exchange(first, oldest)
        head = self._texts[first]
        if head.num_unscored:
            return self._score_piece(head, min(most, LONGEST_SCORED_PIECE))
        self._share(first)
        group, width = [head], head.num_unread
        if not width:
            self._num_ready += 1
            return 0
        for place in range(first + 1, len(self._texts)):
            text = self._texts[place]
            if text.num_unscored or width > most:
                break
            self._share(place)
            wider = max(width, text.num_unread)
            if (len(group) + 1) * wider > most or max(
                len(each.slot.ids) for each in [*group, text]
            ) + wider > self.max_len:
                break
            if any(common_beginning(each.context, text.context) >= len(text.slot.ids) + LEAST_SHARED for each in group):
                break  # what it shares can be copied in a moment
            group.append(text)
            width = wider
        width = min(width, most)
        pieces = [text.context[len(text.slot.ids) :][:width] for text in group]
        # The cache hides what is past a row's length.
        ids = torch.tensor([piece + [0] * (width - len(piece)) for piece in pieces], device=self._device)
        self._forward(ids, self._slots.view(first, first + len(group)))
        for text, piece in zip(group, pieces, strict=True):
            text.slot.ids += piece
            self._num_ready += not text.num_unread
            self.num_read += len(piece)
        return ids.numel()

    def _score_piece(self, text: RunningText, most: int) -> int:
        """Read a piece of a prompt by the network's own pass, which scores each of its tokens; how many.

        Where another pass fills the rows, in a cache apart, and the text is read again: what a row holds, and whoever shares it, must not
        hang on who asked for scores.
        """
        assert text.scored is not None
        start = len(text.scored)
        piece = text.context[start : start + most]
        if self._is_replaced:
            cache = text.scoring_cache = text.scoring_cache or self._new_cache(1, len(text.context))
        else:
            cache = self._slots.view(self._num_ready, self._num_ready + 1)
        hidden = self.model.hidden_states(torch.tensor([piece], device=self._device), cache=cache)[0]  # (T, D)
        following = text.ids[start + 1 : start + 1 + len(piece)]
        text.scored += score_tokens(self.model.logits(hidden), following, text.request.logprobs or 0)
        if not self._is_replaced:
            text.slot.ids += piece
            self.num_read += len(piece)
        if not text.num_unscored:
            text.scoring_cache = None
        return len(piece)

    def _share(self, place: int) -> None:
        text = self._texts[place]
        before = len(text.slot.ids)
        self._slots.share(place, text.context)
        self.num_reused += len(text.slot.ids) - before

    def _next_tokens(self) -> list[Token]:
        """Read the newest token of each text that is ready, and choose the one after it."""
        ready = self._texts[: self._num_ready]
        newest = torch.tensor([[text.ids[-1]] for text in ready], device=self._device)  # (B, 1)
        logits = self._forward(newest, self._slots.view(0, len(ready)))  # (B, V)
        if not logits.amax().isfinite():
            raise GenerationError(
                "the model's scores are not finite numbers: its weights are damaged, so use another checkpoint"
            )
        choosers = [text.chooser for text in ready]
        ids = choose_tokens(choosers, logits)
        scored = score_chosen(choosers, logits, ids)
        tokens = []
        for place, (text, new) in enumerate(zip(ready, ids, strict=True)):
            text.slot.ids.append(text.ids[-1])
            text.ids.append(new)
            text.num_left -= 1
            finish: Literal["end", "length"] | None = (
                "end" if new in (text.request.stop_ids or ()) else None if text.num_left else "length"
            )
            score, prompt = scored.get(place), text.scored
            if score is None and prompt is None:
                tokens.append(Token(text.ticket, new, finish))
                continue
            logprob, likeliest = (None, ()) if score is None else (score.logprob, score.likeliest)
            tokens.append(
                Token(text.ticket, new, finish, logprob, likeliest, None if prompt is None else tuple(prompt))
            )
            text.scored = None
        for place in range(len(ready) - 1, -1, -1):
            if tokens[place].finish:
                self._leave(place)
        return tokens

    def _leave(self, place: int) -> None:
        """Take the text at this place out; the rows close up."""
        if place < self._num_ready:
            self._num_ready -= 1
            self._exchange(place, self._num_ready)
            place = self._num_ready
        self._exchange(place, len(self._texts) - 1)
        self._texts.pop()
        self._slots.give_back_last()

    def _exchange(self, one: int, other: int) -> None:
        self._slots.exchange(one, other)
        self._texts[one], self._texts[other] = self._texts[other], self._texts[one]

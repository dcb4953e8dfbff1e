"""Several prompts continued at once, as a loop over steps: the engine for those who know from the start whom it is to serve."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from groundup.generation.engine import Engine
from groundup.generation.forward import Forward
from groundup.generation.request import Request, Token
from groundup.generation.settings import GenerationSettings
from groundup.model.transformer import Transformer


class Generation(Iterator[list[Token]]):
    """The continuation of several prompts: each step gives one new token for every row that is still going.

    A row leaves after the end token or one of `stop_ids` (given as its last) or after `max_new_tokens`, or when the caller
    says `stop(row)`. Row i draws its random numbers from (settings.seed, i) alone, so its tokens don't depend on who else is
    in the batch (but for the rounding of the matrix products). For several samples of a prompt, repeat the prompt. An
    empty prompt starts from the end token.

    `slide` and `forward` are the `Engine`'s. Raises `GenerationError` as it does, and for an empty prompt without an end token.
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
        ends = frozenset(stop_ids) if end_id is None else frozenset((end_id, *stop_ids))
        start = [] if end_id is None else [end_id]
        self.texts = [list(prompt or start) for prompt in prompts]
        longest = max(map(len, self.texts), default=0) + settings.max_new_tokens
        max_len = min(model.config.max_seq_len, longest)
        self._engine = Engine(model, max(1, len(prompts)), max_len, forward, slide, piece=0)
        for row, text in enumerate(self.texts):
            self._engine.add(Request(tuple(text), settings, row, ends))

    def stop(self, row: int) -> None:
        """Give no more tokens for this row, e.g. because its text holds a stop string."""
        self._engine.cancel(row)

    def __next__(self) -> list[Token]:
        tokens = self._engine.step()
        if not tokens:
            raise StopIteration
        for token in tokens:
            self.texts[token.row].append(token.id)
        return tokens

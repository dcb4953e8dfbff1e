"""A request on its way through the engine."""

from __future__ import annotations

import torch

from groundup.generation.choosing import Chooser
from groundup.generation.request import Request, Scored
from groundup.generation.slots import Slot
from groundup.model.transformer import KVCache


class RunningText:
    """What has come of a request, and what its slot holds of it."""

    def __init__(self, ticket: int, request: Request, vocab_size: int, device: torch.device) -> None:
        self.ticket, self.request = ticket, request
        self.ids = list(request.prompt)
        """The prompt and what came of it."""
        self.num_left = request.settings.max_new_tokens
        """How many tokens are still to come."""
        self.chooser = Chooser(request, vocab_size, device)
        self.slot = Slot()
        self.context: list[int] = []
        """What its slot is to hold before the newest token is read."""
        self.scored: list[Scored] | None = [] if request.prompt_logprobs else None
        """The prompt's tokens from its second on, as far as they are scored; None if that wasn't asked for, or was told."""
        self.scoring_cache: KVCache | None = None

    @property
    def num_unscored(self) -> int:
        """How many tokens of its prompt are still to be scored."""
        return 0 if self.scored is None else len(self.context) - len(self.scored)

    @property
    def num_unread(self) -> int:
        """How many tokens of its context its slot doesn't hold yet."""
        return len(self.context) - len(self.slot.ids)

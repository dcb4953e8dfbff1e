"""What the parts of a rehearsal share: a composed training in a folder that is thrown away, and the time that there is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from groundup.recipe.compose import Composition
from groundup.recipe.data import Prepared
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.tokens.prepare import PreparedData
from groundup.training.task import Task

SHARE_OF_PEAK = 0.4
"""Of the peak of matrix products what a step is taken to reach before any was taken."""


@dataclass(frozen=True)
class Rehearsal:
    """A recipe's training, composed."""

    settings: Recipe
    data: Prepared
    files: ModelFiles
    composition: Composition
    num_threads: int
    device: torch.device
    seconds: float
    """How long all of it may take, about."""
    begun: float
    """The moment that this counts from, by `time.perf_counter`."""

    @property
    def task(self) -> Task:
        return self.composition.task

    @property
    def left(self) -> float:
        """Seconds that are left; a little at least."""
        return max(1.0, self.seconds - (time.perf_counter() - self.begun))

    @property
    def window(self) -> int:
        """Tokens of a window of validation's."""
        return min(self.task.model.config.max_seq_len, self.settings.model.max_seq_len)

    @property
    def readers(self) -> int:
        """How many threads read validation's windows side by side."""
        return self.num_threads if self.device.type == "cpu" else 1

    @property
    def batch_tokens(self) -> int:
        """Tokens that a thread reads at once."""
        return max(self.window, min(2**14, self.settings.evaluation.batch_size * self.window))

    @property
    def held_out(self) -> int:
        """How many tokens are held out, all of which the end reads."""
        if isinstance(self.data, PreparedData):
            return len(self.data.validation.ids)
        return int(self.data.validation.lengths.sum())

    @property
    def evaluated(self) -> int:
        """How many of them are read between steps."""
        return min(self.settings.evaluation.max_tokens or self.held_out, self.held_out)


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start

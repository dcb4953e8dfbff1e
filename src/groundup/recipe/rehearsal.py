"""What the parts of a rehearsal share: a composed training in a folder that is thrown away, and the time that there is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from groundup.model.counts import forward_flops
from groundup.recipe.compose import Composition
from groundup.recipe.data import Prepared
from groundup.recipe.measured import Reading
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import evaluated_tokens
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.task import Task

SHARE_OF_PEAK = 0.2
"""Of the peak of matrix products what a network is taken to reach before anything was read; on a GPU also after it."""


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
        rows = self.settings.evaluation.batch_size
        if isinstance(self.data, PreparedExamples):
            return round(rows * self.mean_row)
        return max(self.window, min(2**14, rows * self.window))

    @property
    def mean_row(self) -> float:
        """Tokens of a held-out row, of a pair those of both answers."""
        assert isinstance(self.data, PreparedExamples)
        return max(1.0, self.held_out / len(self.data.validation))

    @property
    def flops_a_token(self) -> float:
        """Operations to read a token of a whole window."""
        return forward_flops(self.task.model.config, self.window, self.window) / self.window

    def speed(self, reading: Reading | None) -> float:
        """Operations a second of one reader: those of a reading that was timed; on a GPU, where the first loads kernels, by the peak."""
        if reading is None or self.device.type != "cpu":
            return SHARE_OF_PEAK * self.task.peak_flops / self.readers
        return self.flops_a_token / reading.first

    @property
    def held_out(self) -> int:
        """How many tokens are held out, all of which the end reads."""
        if isinstance(self.data, PreparedData):
            return len(self.data.validation.ids)
        return int(self.data.validation.lengths.sum())

    @property
    def evaluated(self) -> int:
        """How many of them are read between steps."""
        return evaluated_tokens(self.settings, self.held_out)


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start

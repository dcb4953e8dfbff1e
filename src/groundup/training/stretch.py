"""How far a training has come, and what the steps since its last record took: time, tokens, operations, electricity."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from groundup.device import card_uuid
from groundup.energy import EnergyMeter
from groundup.training.ranks import Ranks
from groundup.training.step import Step


@dataclass(frozen=True)
class Progress:
    """What the loop carries from step to step besides weights and optimizer; all of it is in state.json."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_loss: float | None = None
    evaluations_without_best: int = 0
    joules: float | None = None
    """Electricity, of the steps alone; None where the machine doesn't tell."""
    joules_of: str = ""
    """Whose: `EnergyMeter.counted`."""
    evaluation_due: bool = False
    """A stop came before this step's validation was done; who goes on begins with it."""


class Stretch:
    """The steps since the last record. Its clock runs from the moment that it is made."""

    def __init__(self, device: torch.device, ranks: Ranks, counted_before: bool) -> None:
        """`counted_before`: whether there are joules of earlier stretches to add to."""
        self.ranks, self.counted_before = ranks, counted_before
        self.energy = EnergyMeter(card_uuid(device), processors=ranks.local_rank == 0)
        self.begin()

    def begin(self) -> None:
        """From now on."""
        self.clock, self.tokens, self.flops = time.perf_counter(), 0, 0

    def begin_after_a_pause(self) -> None:
        """From now on: what came since the last record, validation or a checkpoint, counts as no training, nor does its electricity."""
        self.begin()
        self.energy.read()

    def add(self, taken: Step) -> None:
        """One more step."""
        self.tokens, self.flops = self.tokens + taken.num_tokens, self.flops + taken.flops

    @property
    def elapsed(self) -> float:
        """Seconds of it so far."""
        return time.perf_counter() - self.clock

    def add_energy(self, progress: Progress) -> Progress:
        """Joules since they were added the last time, of all processes; a card takes some milliseconds to tell."""
        joules, before = self.ranks.total(self.energy.read()), self.counted_before
        self.counted_before = True
        return add_energy(progress, joules, self.energy.counted, before)


def add_energy(progress: Progress, joules: float | None, counted: str, begun: bool) -> Progress:
    """Joules so far; a stretch without a counter, or with other counters than before, leaves the whole unknown."""
    before = progress.joules
    if joules is None or (begun and (before is None or progress.joules_of not in ("", counted))):
        return replace(progress, joules=None, joules_of="")
    return replace(progress, joules=(before or 0.0) + joules, joules_of=counted)

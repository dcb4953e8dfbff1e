"""Settings of the [parallel] section: one model, trained by several processes. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from groundup.config import require

Strategy = Literal["single", "ddp", "fsdp"]
MOST_PROCESSES = 1024
A_DAY = 24 * 60
LAUNCHED = "GROUNDUP_LAUNCHED"
"""The launcher's process, set in those that it started; it says for them what ended them."""


@dataclass(frozen=True)
class ParallelSettings:
    """Which processes train together. A run may go on with others than it began with."""

    strategy: Strategy = "single"
    """single: one process; ddp: several, each with all weights and some rows of every batch, whose gradients are summed; fsdp: the same,
    but each holds only some rows of every weight, of its gradient and of what the optimizer keeps (PyTorch's fully_shard)."""
    processes: int = 0
    """Processes to start on this machine, unless torchrun has started them; 0 for one per GPU."""
    meeting_minutes: float = 30.0
    """How long they wait for each other at the start. It is not known of one that doesn't come whether it is late or has died."""

    def __post_init__(self) -> None:
        advice = f"use a whole number of at most {MOST_PROCESSES}, or 0 for one per GPU"
        require(0 <= self.processes <= MOST_PROCESSES, "parallel.processes", self.processes, advice)
        minutes = self.meeting_minutes
        require(0 < minutes <= A_DAY, "parallel.meeting_minutes", minutes, f"use a number above 0, up to {A_DAY}")
        advice = 'set parallel.strategy = "ddp", or "fsdp", to train with several processes'
        require(self.processes <= 1 or self.strategy != "single", "parallel.processes", self.processes, advice)


def is_started_by_torchrun(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is one of several processes, as torchrun, our own launcher or another one that speaks its language started it."""
    return "RANK" in environment and "MASTER_ADDR" in environment


def is_first_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the one that writes and speaks: rank 0, or a process by itself."""
    return not is_started_by_torchrun(environment) or environment["RANK"] == "0"

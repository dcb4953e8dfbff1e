"""What a training is expected to take, in its manifest before its first step, and what it took, beside it.

The memory is worked out (training/memory.py), the time told when the first stretch of steps and a validation have been taken: nothing is
measured for it, so training is neither slower nor other. `groundup plan` measures, and tells before.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import torch

from groundup.device import peak_bytes
from groundup.recipe.data import Prepared
from groundup.recipe.expected_memory import described, load_of, rank_here
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import evaluated_tokens, known_sizes
from groundup.run.directory import METRICS_FILE, RunDirectory
from groundup.run.records import read_records
from groundup.training.memory import training_memory
from groundup.training.ranks import Ranks
from groundup.training.task import Task


class Promise:
    """Made when training is about to begin; `begun` is the moment that its time counts from."""

    def __init__(self, settings: Recipe, directory: RunDirectory, begun: float, resumed: bool) -> None:
        self.settings, self.directory, self.begun, self.resumed = settings, directory, begun, resumed
        self.held_out, self.loop_begun = 0, begun
        self.figures: dict[str, Any] = {}

    def memory(self, data: Prepared, task: Task, ranks: Ranks) -> None:
        """Tell what memory it will take, and which kind of it how much."""
        if self.resumed:
            return
        config, sizes = task.model.config, known_sizes(data)
        opened = sum(parameter.nbytes for parameter in task.model.parameters())
        rank = rank_here(task.settings, config, opened, self.settings.parallel.strategy, ranks)
        found = training_memory(load_of(self.settings, sizes, config), rank)
        self.held_out, self.loop_begun = sizes.held_out, time.perf_counter()
        self.figures = {"bytes": found.total, "memory": described(found)}
        self.directory.record_plan("promise", self.figures)

    def telling_time(self, task: Task) -> Task:
        """The same task, which after its first validation tells how long all of it will take."""
        show = task.show

        def tell_and_show() -> None:
            if self.figures and "seconds" not in self.figures and (found := self._seconds(task)):
                self.figures |= found
                self.directory.record_plan("promise", self.figures)
            show()

        return replace(task, show=tell_and_show)

    def _seconds(self, task: Task) -> dict[str, Any] | None:
        """All of it, at the pace so far: steps by the record, what came between them by the clock."""
        records = read_records(self.directory.path / METRICS_FILE)
        steps = [one for one in records if one.get("kind") == "train"]
        read = [one for one in records if one.get("kind") == "validation"]
        if not steps or len(read) < 2:
            return None
        last, settings, now = steps[-1], task.settings, time.perf_counter()
        a_round = max(0.0, now - self.loop_begun - last["seconds"]) / len(read)
        remaining = settings.max_steps - last["step"]
        ahead = remaining * last["seconds"] / last["step"] + math.ceil(remaining / settings.eval_steps) * a_round
        end = read[-1]["seconds"] * self.held_out / max(1, evaluated_tokens(self.settings, self.held_out))
        return {"seconds": round(now - self.begun + ahead + end, 2), "after_steps": last["step"]}

    def keep(self, device: torch.device, finished: bool, joules: float | None) -> None:
        """Tell what it took; of a training that went on from a checkpoint, or that was stopped, no time, which would be of a part."""
        figures: dict[str, Any] = {"bytes": peak_bytes(device)}
        if finished and not self.resumed:
            figures["seconds"] = round(time.perf_counter() - self.begun, 2)
        if joules is not None:
            figures["joules"] = joules
        self.directory.record_plan("outcome", figures)

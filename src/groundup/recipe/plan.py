"""`plan`: what a recipe will take, before its first step. On this machine it is measured; elsewhere it is worked out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groundup.device import pick_device
from groundup.recipe.data import found_prepared, prepare_recipe
from groundup.recipe.rehearse import Measured, held_out_tokens, rehearse
from groundup.recipe.settings import Recipe
from groundup.recipe.train import starting_model
from groundup.training.schedules import with_steps

Say = Callable[[str], None]


def plan_here(settings: Recipe, folder: Path, say: Say, seconds: float = 15.0, started: float = 0.0) -> dict[str, Any]:
    """The plan for this machine. `started`: seconds that the process had lived before."""
    device = pick_device(settings.training.device)
    begun = time.perf_counter()
    data = found_prepared(settings, folder) or prepare_recipe(settings, folder, say)
    files = starting_model(settings, data.tokenizer, folder)
    opened = started + time.perf_counter() - begun
    measured = rehearse(settings, data, files, device, seconds, opened)
    training = with_steps(settings.training, data.plan.num_rows)
    return {
        "max_steps": training.max_steps,
        "measured": asdict(measured),
        **time_and_memory(settings, training.max_steps, held_out_tokens(data), measured),
    }


def time_and_memory(settings: Recipe, max_steps: int, held_out: int, measured: Measured) -> dict[str, Any]:
    """All of a training, put together of what its parts take."""
    training = settings.training
    at_steps = {*range(training.eval_steps, max_steps + 1, training.eval_steps), max_steps}
    saved = {*range(training.save_steps, max_steps + 1, training.save_steps)} | at_steps  # each is taken to be the best
    of_evaluation = measured.evaluating(min(held_out, settings.evaluation.max_tokens or held_out))
    sample = training.sample_tokens * measured.sample_token
    parts = {
        "opening": measured.opening,
        "steps": max_steps * measured.step + measured.first_step,
        "evaluations": (len(at_steps) + 1) * (of_evaluation + sample) + len(at_steps) * measured.evaluation,
        "checkpoints": len(saved) * measured.checkpoint,
        "finish": measured.finish
        + measured.evaluating(held_out)
        + settings.generation.max_new_tokens * measured.sample_token,
    }
    watts = measured.watts
    return {
        "seconds": sum(parts.values()),
        "seconds_by_part": parts,
        "tokens_per_second": measured.tokens / measured.step,
        "flops": max_steps * measured.flops,
        "memory_bytes": measured.peak_bytes,
        "joules": None if watts is None else watts * parts["steps"],
    }

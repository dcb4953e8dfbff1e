"""What the loop works on, composed of everything that it doesn't know: data, objective, validation, samples, how a model is saved."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.language_model import LanguageModel
from groundup.recipe.identity import fingerprint
from groundup.recipe.measure import measure_validation
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.report.page import write_report
from groundup.run.directory import RunDirectory
from groundup.tokens.plan import cut_rows, training_batch
from groundup.tokens.prepare import PreparedData
from groundup.training.objectives.language_model import count_targets, loss_sum, marked_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.step import Task, num_predicted

FIGURES = ("loss", "perplexity", "bits_per_byte", "tokens")


def with_steps(training: TrainingSettings, num_rows: int) -> TrainingSettings:
    """The same settings with `epochs` told as steps: as many as read `num_rows` rows so often."""
    if not training.epochs:
        return training
    return replace(training, max_steps=max(1, math.ceil(training.epochs * num_rows / training.batch_size)), epochs=0.0)


def step_batch(training: TrainingSettings, data: PreparedData, step: int) -> NDArray[np.int64]:
    """The rows of a step: (B, T+1), or (B, 2, T+1) with each token's document.

    Short ones at first, many at once (Press et al. 2021, Shortformer, §4): what lies near is learned first, and costs less.
    """
    ends = data.train.ends if data.own_documents else None
    rows = training_batch(data.train.ids, data.plan, training.seed, step, training.batch_size, ends)
    return cut_rows(rows) if step < training.length_warmup_fraction * training.max_steps else rows


def compose_text(
    settings: Recipe, directory: RunDirectory, data: PreparedData, files: ModelFiles, peak_flops: float
) -> Task:
    """Language modelling: every token of a text is predicted."""
    model = files.model
    training = with_steps(settings.training, data.plan.num_rows)
    limits = settings.evaluation

    def evaluate() -> dict[str, float]:
        measured = asdict(measure_validation(model, data, limits.batch_size, limits.max_tokens))
        return {name: measured[name] for name in FIGURES}

    return Task(
        model=model,
        settings=training,
        run=directory,
        loss_sum=marked_loss_sum if data.has_marks else loss_sum,
        batch=partial(step_batch, training, data),
        evaluate=evaluate,
        sample=sampler(settings, LanguageModel(model, data.tokenizer)),
        show=partial(write_report, directory.path),
        save_model=files.save,
        peak_flops=peak_flops,
        fingerprint=fingerprint(settings, data, files.base_sha256),
        count_targets=count_targets if data.has_marks else num_predicted,
    )


def sampler(settings: Recipe, language_model: LanguageModel) -> Callable[[int], dict[str, Any]] | None:
    """What the model writes at each evaluation; None where no samples are wanted."""
    training = settings.training
    if not training.sample_tokens:
        return None
    sampling = replace(settings.generation, max_new_tokens=training.sample_tokens, num_samples=1, stop=())

    def sample(step: int) -> dict[str, Any]:
        text = language_model.generate_samples(training.sample_prompt, sampling)[0]
        facts = {"seed": sampling.seed, "temperature": sampling.temperature}
        return {"step": step, "prompt": training.sample_prompt, "text": text, **facts}

    return sample

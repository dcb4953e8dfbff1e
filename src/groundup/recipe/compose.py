"""What the loop works on, composed of everything that it doesn't know: data, objective, validation, samples, how a model is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.model.transformer import Transformer
from groundup.recipe.data import Prepared
from groundup.recipe.identity import fingerprint
from groundup.recipe.measure import measure_validation
from groundup.recipe.measure_examples import measure_examples, validation_batches
from groundup.recipe.private import private_parts
from groundup.recipe.reference import Reference
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.report.page import write_report
from groundup.run.directory import RunDirectory
from groundup.tokens.conversation import encode_conversation
from groundup.tokens.plan import cut_rows, training_batch
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.objectives.language_model import count_targets, loss_sum, marked_loss_sum
from groundup.training.objectives.preference import FIGURES as PREFERENCE_FIGURES
from groundup.training.objectives.preference import (
    answer_rows_read,
    count_answer_tokens,
    count_pairs,
    preference_figures,
    preference_loss_sum,
)
from groundup.training.privacy.plan import PrivacyPlan
from groundup.training.ranks import ALONE, Ranks
from groundup.training.schedules import with_steps
from groundup.training.settings import TrainingSettings
from groundup.training.task import Task

FIGURES = ("loss", "perplexity", "bits_per_byte", "tokens")


@dataclass(frozen=True)
class Composition:
    """A training, put together."""

    task: Task
    measure: Callable[[], dict[str, Any]]
    """Figures over all that is held out, with what they were measured over."""
    write: Callable[[GenerationSettings], tuple[str, str]]
    """A prompt, and what the model writes after it."""


def compose(
    settings: Recipe,
    directory: RunDirectory,
    data: Prepared,
    files: ModelFiles,
    peak_flops: float,
    reference: Reference | None,
    privacy: PrivacyPlan | None,
    ranks: Ranks = ALONE,
    shard_to: torch.device | None = None,
) -> Composition:
    """The training that a recipe asks for. With `reference` preference tuning; with `privacy` a private one; with `shard_to`
    weights dealt out over processes."""
    training, model = with_steps(settings.training, data.plan.num_rows), files.model
    limits = settings.evaluation
    write = partial(_write, settings.training.sample_prompt, LanguageModel(model, data.tokenizer), data)

    def task(measure: Callable[[int], dict[str, Any]], parts: dict[str, Any]) -> Task:
        made_with = fingerprint(directory, data, files.base_sha256)
        return Task(
            model=model,
            settings=training,
            run=directory,
            evaluate=partial(measure, limits.max_tokens),
            sample=partial(_sample, write, settings) if training.sample_tokens else None,
            show=partial(write_report, directory.path),
            save_model=files.save,
            peak_flops=peak_flops,
            ranks=ranks,
            shard_to=shard_to,
            save_part=files.save_part if files.lora is None else None,
            fingerprint={
                **made_with,
                "manifest": directory.made_of(),
                **({"reference": reference.sha256} if reference else {}),
            },
            **parts,
        )

    if isinstance(data, PreparedData):
        measure = partial(_measure_text, model, data, limits.batch_size)
        parts = text_parts(training, data)
    elif reference is None:
        measure = partial(_measure_examples, model, data, limits.batch_size)
        parts = example_parts(training, data)
    else:
        measure = partial(_measure_pairs, model, data, reference, training, limits.batch_size)
        parts = pair_parts(
            training, data, torch.from_numpy(reference.train).to(shard_to or model.token_embedding.weight.device)
        )
    if privacy is not None:
        parts |= private_parts(privacy, training, data)
    return Composition(task(measure, parts), partial(measure, 0), write)


def text_parts(training: TrainingSettings, data: PreparedData) -> dict[str, Any]:
    """Language modelling: every token of a text is predicted."""
    if not data.has_marks:
        return {"loss_sum": loss_sum, "batch": partial(step_batch, training, data), "recordable": True}
    return {"loss_sum": marked_loss_sum, "batch": partial(step_batch, training, data), "count_targets": count_targets}


def step_batch(training: TrainingSettings, data: PreparedData, step: int) -> NDArray[np.int64]:
    """The rows of a step: (B, T+1), or (B, 2, T+1) with each token's document.

    Short ones at first, many at once (Press et al. 2021, Shortformer, §4): what lies near is learned first, and costs less.
    """
    ends = data.train.ends if data.own_documents else None
    rows = training_batch(data.train.ids, data.plan, training.seed, step, training.batch_size, ends)
    return cut_rows(rows) if step < training.length_warmup_fraction * training.max_steps else rows


def example_parts(training: TrainingSettings, data: PreparedExamples) -> dict[str, Any]:
    """Instruction tuning: what the rows mark as learned is predicted, an assistant's answers say."""
    return {
        "loss_sum": marked_loss_sum,
        "batch": lambda step: data.batch(training.seed, step, training.batch_size),
        "count_targets": count_targets,
    }


def pair_parts(training: TrainingSettings, data: PreparedExamples, reference: Tensor) -> dict[str, Any]:
    """Preference tuning: of two answers the chosen one becomes the likelier, compared with the model that training began with."""

    def pairs_loss_sum(network: nn.Module, batch: Tensor) -> Tensor:
        return preference_loss_sum(network, batch, reference, training.preference)

    return {
        "loss_sum": pairs_loss_sum,
        "batch": lambda step: data.batch(training.seed, step, training.batch_size),
        "count_targets": count_answer_tokens,
        "count_terms": count_pairs,
        "figure_names": PREFERENCE_FIGURES,
        "rows_read": answer_rows_read,
    }


def _measure_text(model: Transformer, data: PreparedData, batch_size: int, max_tokens: int) -> dict[str, Any]:
    return asdict(measure_validation(model, data, batch_size, max_tokens))


def _measure_examples(model: Transformer, data: PreparedExamples, batch_size: int, max_tokens: int) -> dict[str, Any]:
    return asdict(measure_examples(model, data, batch_size, max_tokens))


def _measure_pairs(
    model: Transformer,
    data: PreparedExamples,
    reference: Reference,
    training: TrainingSettings,
    batch_size: int,
    max_tokens: int,
) -> dict[str, Any]:
    batches = list(validation_batches(data, batch_size, max_tokens))
    figures = preference_figures(model, batches, reference.validation, training.preference)
    return {**figures, "pairs": sum(map(count_pairs, batches)), "tokens": sum(map(count_answer_tokens, batches))}


def _sample(write: Callable[[GenerationSettings], tuple[str, str]], settings: Recipe, step: int) -> dict[str, Any]:
    """What the model writes at an evaluation."""
    sampling = replace(settings.generation, max_new_tokens=settings.training.sample_tokens, num_samples=1, stop=())
    prompt, text = write(sampling)
    return {"step": step, "prompt": prompt, "text": text, "seed": sampling.seed, "temperature": sampling.temperature}


def _write(prompt: str, language_model: LanguageModel, data: Prepared, sampling: GenerationSettings) -> tuple[str, str]:
    """A text goes on from the prompt; an assistant answers it, or, without one, what the first held-out row asks."""
    if isinstance(data, PreparedData):
        return prompt, language_model.generate_samples(prompt, replace(sampling, num_samples=1))[0]
    template = data.tokenizer.chat_template
    if prompt and template is not None:
        ids = encode_conversation(data.tokenizer, template, [{"role": "user", "content": prompt}], True)
    else:
        ids = question_of(data)
    return prompt or data.tokenizer.decode(ids, skip_special_tokens=False), language_model.continue_ids(ids, sampling)


def question_of(data: PreparedExamples) -> list[int]:
    """The ids that the first held-out row begins with, up to what is learned of it."""
    row = data.validation.row(int(data.validation.taught[0]) * data.validation.width)
    learned = np.flatnonzero(row >= 0)
    read = row[: int(learned[0])] if len(learned) else row
    ids: list[int] = np.where(read < 0, ~read, read).tolist()
    return ids

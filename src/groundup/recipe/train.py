"""`train`: a recipe becomes a run. Joins text, tokens, model, training, evaluation and generation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from groundup.config import write_toml
from groundup.device import autocast_dtype, matmul_flops_per_second, memory_bytes, pick_device, set_threads
from groundup.errors import GenerationError, MachineError, SettingError, TrainingError
from groundup.language_model import LanguageModel
from groundup.model.counts import parameter_counts
from groundup.model.directory import load_model
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.recipe.data import prepare_data
from groundup.recipe.finish import finish, save_language_model
from groundup.recipe.identity import fingerprint, require_same_recipe
from groundup.recipe.measure import measure_validation
from groundup.recipe.precision import warn_of_slow_precision
from groundup.recipe.resume import open_run
from groundup.recipe.settings import Recipe, check_start, load_recipe, sources_folder
from groundup.report.page import report_is_stale, write_report
from groundup.run.directory import RunDirectory
from groundup.run.files import explain_os_errors
from groundup.tokens.mixture import describe
from groundup.tokens.plan import cut_rows, training_batch
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_facts import describe_steps
from groundup.training.loop import train as train_loop
from groundup.training.objectives.language_model import count_targets, loss_sum, marked_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.step import Task, num_predicted

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainedRun:
    """What `train` gives back."""

    path: Path
    """The run directory."""
    stopped_because: str
    """max_steps, patience, already_finished, SIGINT or SIGTERM."""

    @property
    def finished(self) -> bool:
        return RunDirectory(self.path).finished

    def load(self) -> LanguageModel:
        """The run's best model with its tokenizer."""
        return LanguageModel.load(self.path)


def train(
    recipe: str | Path,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    run: str | Path | None = None,
    resume: bool = False,
    say: Say = print,
) -> TrainedRun:
    """Train a model by a recipe (a shipped recipe's name or a TOML file) and leave a complete run directory.

    `overrides`: `{"training.max_steps": 500}` or `["training.max_steps=500"]`. `run`: the folder, `runs/<recipe's name>` by
    default; never one that already holds something, unless `resume`, which goes on from the newest whole checkpoint (or
    starts, if there is none). Raises a `GroundupError` that says what to do.
    """
    settings = load_recipe(str(recipe), overrides)
    device = pick_device(settings.training.device)
    directory = check_start(str(recipe), settings, Path(run) if run else None, resume)
    with directory.locked():
        if not (resume and directory.started):
            directory.require_empty(write_toml(settings))  # once more, now that it is ours
        if directory.started:
            require_same_recipe(directory, settings)
            if directory.finished:
                directory.verify_model()
                if report_is_stale(directory.path):  # it ended, or the disk was full, before the last page was written
                    write_report(directory.path)
                return TrainedRun(directory.path, "already_finished")
        return _train_locked(settings, directory, sources_folder(str(recipe), directory), device, say)


def _train_locked(
    settings: Recipe, directory: RunDirectory, folder: Path, device: torch.device, say: Say
) -> TrainedRun:
    data = prepare_data(settings, folder, say)
    for line in (*describe_steps(data.facts), *describe(data.facts)):
        say(line)
    config = with_vocabulary(settings.model, data.tokenizer.vocab_size)
    require_memory(config)
    torch.manual_seed(settings.training.seed)
    model = Transformer(config)
    try:
        LanguageModel(model, data.tokenizer).check_prompt(settings.training.sample_prompt)
    except GenerationError as error:
        raise SettingError("training.sample_prompt", settings.training.sample_prompt, str(error)) from error
    set_threads(settings.training.num_threads)
    peak_flops = matmul_flops_per_second(device, autocast_dtype(settings.training.precision, device) or torch.float32)
    checkpoint = open_run(settings, directory, folder, data, config, device, peak_flops, say)
    if checkpoint is not None:
        model.load_state_dict(load_model(checkpoint).state_dict())
    warn_of_slow_precision(settings.training, device, say)
    parameters, tokens = parameter_counts(config)["total"], len(data.train.ids)
    say(f"{parameters:,} parameters, {tokens:,} training tokens, {device.type}; the run is in {directory.path}")
    task = _compose(settings, directory, data, model.to(device), peak_flops)
    try:
        outcome = train_loop(task, checkpoint)
    except TrainingError:
        write_report(directory.path)  # a picture of how it went wrong
        raise
    if outcome.finished:
        finish(settings, directory, data, config, outcome, device, say)
    with explain_os_errors(directory.path):
        write_report(directory.path)
    return TrainedRun(directory.path, outcome.stopped_because)


def with_vocabulary(config: TransformerConfig, vocab_size: int) -> TransformerConfig:
    """The network's settings with the tokenizer's vocabulary; an explicit size must have room for it."""
    if 0 < config.vocab_size < vocab_size:
        raise SettingError(
            "model.vocab_size", config.vocab_size, f"the tokenizer has {vocab_size} tokens; use 0 to take its size"
        )
    return replace(config, vocab_size=config.vocab_size or vocab_size)


def require_memory(config: TransformerConfig) -> None:
    """Raise `MachineError` if the weights, their gradients and the optimizer's moments can't fit into memory."""
    parameters, there = parameter_counts(config)["total"], memory_bytes()
    needed = 16 * parameters
    if needed > there > 0:
        sizes = {name: getattr(config, name) for name in ("vocab_size", "d_model", "d_ff", "num_layers", "max_seq_len")}
        raise MachineError(
            f"a network of {parameters:,} parameters needs about {needed / 1e9:,.0f} GB to train, and this machine has "
            f"{there / 1e9:,.0f} GB: lower one of {', '.join(f'model.{name} = {size}' for name, size in sizes.items())}"
        )


def step_batch(training: TrainingSettings, data: PreparedData, step: int) -> NDArray[np.int64]:
    """The rows of a step: (B, T+1), or (B, 2, T+1) with each token's document.

    Short ones at first, many at once (Press et al. 2021, Shortformer, §4): what lies near is learned first, and costs less.
    """
    ends = data.train.ends if data.own_documents else None
    rows = training_batch(data.train.ids, data.plan, training.seed, step, training.batch_size, ends)
    return cut_rows(rows) if step < training.length_warmup_fraction * training.max_steps else rows


def _compose(
    settings: Recipe, directory: RunDirectory, data: PreparedData, model: Transformer, peak_flops: float
) -> Task:
    training = settings.training
    language_model = LanguageModel(model, data.tokenizer)
    sampling = replace(settings.generation, max_new_tokens=max(1, training.sample_tokens), num_samples=1, stop=())
    figures = ("loss", "perplexity", "bits_per_byte", "tokens")
    limits = settings.evaluation

    def evaluate() -> dict[str, float]:
        measured = asdict(measure_validation(model, data, limits.batch_size, limits.max_tokens))
        return {name: measured[name] for name in figures}

    def sample(step: int) -> dict[str, Any]:
        text = language_model.generate_samples(training.sample_prompt, sampling)[0]
        facts = {"seed": sampling.seed, "temperature": sampling.temperature}
        return {"step": step, "prompt": training.sample_prompt, "text": text, **facts}

    return Task(
        model=model,
        settings=training,
        run=directory,
        loss_sum=marked_loss_sum if data.has_marks else loss_sum,
        batch=partial(step_batch, training, data),
        evaluate=evaluate,
        sample=sample if training.sample_tokens else None,
        show=partial(write_report, directory.path),
        save_model=partial(save_language_model, language_model),
        peak_flops=peak_flops,
        fingerprint=fingerprint(settings, data),
        count_targets=count_targets if data.has_marks else num_predicted,
    )

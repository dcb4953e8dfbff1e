"""`train`: a recipe becomes a run. Joins text, tokens, model, training, evaluation and generation."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from groundup.config import write_toml
from groundup.device import autocast_dtype, matmul_flops_per_second, pick_device, set_threads
from groundup.errors import CheckpointError, SettingError, TrainingError
from groundup.evaluation.likelihood import Likelihood, likelihood
from groundup.language_model import LanguageModel
from groundup.model.counts import parameter_counts
from groundup.model.directory import load_model, save_model
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.recipe.data import prepare_data
from groundup.recipe.identity import describe_run, require_same_data, require_same_recipe
from groundup.recipe.precision import warn_of_slow_precision
from groundup.recipe.settings import Recipe, find_recipe, load_recipe
from groundup.report.card import write_card
from groundup.report.page import write_report
from groundup.run.checkpoints import checkpoint_path, list_checkpoints, set_aside, step_of, verify_checkpoint
from groundup.run.directory import MODEL_FOLDER, RECIPE_FILE, RunDirectory
from groundup.run.files import explain_os_errors, publish_directory, sha256_text, write_atomic
from groundup.tokens.plan import training_batch, validation_windows
from groundup.tokens.prepare import PreparedData
from groundup.training.loop import Outcome, Task
from groundup.training.loop import train as train_loop
from groundup.training.objectives.language_model import loss_sum

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
    directory = RunDirectory(Path(run) if run else default_run(str(recipe)))
    if not resume:
        directory.require_empty()
    device = pick_device(settings.training.device)
    with directory.locked():
        if not resume:
            directory.require_empty()
        if directory.started:
            require_same_recipe(directory, settings)
            if directory.finished:
                return TrainedRun(directory.path, "already_finished")
        return _train_locked(settings, directory, device, say)


def default_run(recipe: str) -> Path:
    """`runs/<name>`: the recipe file's name, or the folder's for a run's own recipe.toml."""
    path = find_recipe(recipe)
    if path.name == RECIPE_FILE and (path.parent / "manifest.json").exists():
        return path.parent
    return Path("runs") / path.stem


def _train_locked(settings: Recipe, directory: RunDirectory, device: torch.device, say: Say) -> TrainedRun:
    data = prepare_data(settings, say)
    config = with_vocabulary(settings.model, data.tokenizer.vocab_size)
    torch.manual_seed(settings.training.seed)
    model = Transformer(config)
    set_threads(settings.training.num_threads)
    peak_flops = matmul_flops_per_second(device, autocast_dtype(settings.training.precision, device) or torch.float32)
    checkpoint = _open_run(settings, directory, data, config, device, peak_flops, say)
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
        _finish(settings, directory, data, config, outcome, device)
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


def _open_run(
    settings: Recipe,
    directory: RunDirectory,
    data: PreparedData,
    config: TransformerConfig,
    device: torch.device,
    peak_flops: float,
    say: Say,
) -> Path | None:
    """Begin the run's files, or check that they belong to this training; the checkpoint to go on from, if there is one."""
    if not directory.started:
        text = write_toml(settings)
        write_atomic(directory.path / RECIPE_FILE, text)
        directory.write_manifest(describe_run(settings, text, data, config, device, peak_flops))
        directory.log_event("started", 0)
        return None
    require_same_data(directory, data)
    checkpoint = newest_whole_checkpoint(directory, say)
    step = step_of(checkpoint) if checkpoint else 0
    directory.cut_after(step if checkpoint else -1)
    directory.log_event("resumed", step, checkpoint=checkpoint.name if checkpoint else None)
    say(f"going on from step {step} in {directory.path}")
    return checkpoint


def newest_whole_checkpoint(directory: RunDirectory, say: Say) -> Path | None:
    """The newest checkpoint whose every file is as it was written. Damaged newer ones are named and set aside."""
    known = directory.manifest().get("checkpoints", {})
    checkpoints = list_checkpoints(directory.path)
    for checkpoint in reversed(checkpoints):
        try:
            verify_checkpoint(checkpoint, known.get(checkpoint.name))
        except CheckpointError as error:
            aside = set_aside(checkpoint)
            say(f"warning: {error}; it is set aside as {aside.name}, and training goes on from the one before")
            directory.log_event("damaged", step_of(checkpoint), why=str(error))
        else:
            return checkpoint
    if checkpoints:
        raise CheckpointError(
            f"none of the {len(checkpoints)} checkpoints in {directory.path} is whole; they are kept as checkpoints/damaged-*: "
            "restore one from a copy, or start a new run with --run DIR"
        )
    return None


def _compose(
    settings: Recipe, directory: RunDirectory, data: PreparedData, model: Transformer, peak_flops: float
) -> Task:
    training = settings.training
    language_model = LanguageModel(model, data.tokenizer)
    sampling = replace(settings.generation, max_new_tokens=max(1, training.sample_tokens), num_samples=1, stop=())
    windows = validation_windows(len(data.validation.ids), model.config.max_seq_len, settings.evaluation.max_tokens)
    num_bytes = sum(
        len(data.tokenizer.decode(data.validation.ids[start + 1 : end + 1].tolist()).encode()) for start, end in windows
    )

    def evaluate() -> dict[str, float]:
        measured = likelihood(model, data.validation.ids, windows, settings.evaluation.batch_size, num_bytes)
        return {
            name: value
            for name, value in asdict(measured).items()
            if name in ("loss", "perplexity", "bits_per_byte", "tokens")
        }

    def sample(step: int) -> dict[str, Any]:
        text = language_model.generate_samples(training.sample_prompt, sampling)[0]
        facts = {"seed": sampling.seed, "temperature": sampling.temperature}
        return {"step": step, "prompt": training.sample_prompt, "text": text, **facts}

    return Task(
        model=model,
        settings=training,
        run=directory,
        loss_sum=loss_sum,
        batch=partial(training_batch, data.train.ids, data.plan, training.seed, batch_size=training.batch_size),
        evaluate=evaluate,
        sample=sample if training.sample_tokens else None,
        show=partial(write_report, directory.path),
        save_model=partial(save_language_model, language_model),
        peak_flops=peak_flops,
        fingerprint={
            "recipe": sha256_text(write_toml(settings)),
            "tokenizer": data.tokenizer.sha256,
            "data": data.train.sha256,
        },
    )


def save_language_model(language_model: LanguageModel, directory: Path) -> None:
    """A model's Hugging Face directory: weights, configs, tokenizer."""
    tokenizer = language_model.tokenizer
    save_model(language_model.model, directory, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id)
    tokenizer.save(directory, max_length=language_model.model.config.max_seq_len)


def _finish(
    settings: Recipe,
    directory: RunDirectory,
    data: PreparedData,
    config: TransformerConfig,
    outcome: Outcome,
    device: torch.device,
) -> None:
    """Measure the best checkpoint on the whole validation split and publish it as `model/`, its card inside."""
    progress = outcome.progress
    best_step = progress.best_step if progress.best_step is not None else progress.step
    best = checkpoint_path(directory.path, best_step)
    state = verify_checkpoint(best)
    model = Transformer(config)
    model.load_state_dict(load_model(best).state_dict())
    measured = measure_validation(model.to(device), data, settings.evaluation.batch_size)
    sampling = replace(settings.generation, num_samples=1)
    sample = LanguageModel(model, data.tokenizer).generate_samples(settings.training.sample_prompt, sampling)[0]
    directory.write_result(
        {
            "state": "finished",
            "stopped_because": outcome.stopped_because,
            "steps": progress.step,
            "best_step": best_step,
            "tokens": progress.tokens,
            "seconds": round(progress.seconds, 2),
            "validation": asdict(measured),
            "sample": sample,
            "sample_prompt": settings.training.sample_prompt,
        }
    )
    directory.log_event("finished", progress.step, why=outcome.stopped_because, best_step=best_step)
    temporary = directory.path / f".writing-{MODEL_FOLDER}"
    shutil.rmtree(temporary, ignore_errors=True)
    with explain_os_errors(directory.path / MODEL_FOLDER):
        temporary.mkdir()
        for name in state["files"]:
            if name != "optimizer.safetensors":
                shutil.copyfile(best / name, temporary / name)
        write_card(directory.path, temporary)
        publish_directory(temporary, directory.path / MODEL_FOLDER)


def measure_validation(model: Transformer, data: PreparedData, batch_size: int) -> Likelihood:
    """Loss, perplexity and bits per byte over the whole validation split: every token but the first is predicted."""
    ids = data.validation.ids
    window = model.config.max_seq_len
    first = len(data.tokenizer.decode([int(ids[0])]).encode())
    windows = validation_windows(len(ids), window, 0)
    return likelihood(model, ids, windows, batch_size, data.validation.num_bytes - first, window)

"""`train`: a recipe becomes a run. Joins text, tokens, model, training, evaluation and generation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from groundup.config import write_toml
from groundup.device import autocast_dtype, matmul_flops_per_second, memory_bytes, precision_name, set_threads
from groundup.errors import GenerationError, MachineError, RunError, SettingError, TrainingError
from groundup.files import sha256_file
from groundup.language_model import LanguageModel
from groundup.model.adapter import weights_sha256
from groundup.model.counts import parameter_counts
from groundup.model.lora import adapter_parameters, add_lora, parameter_split
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.recipe.base import made_ready, open_base
from groundup.recipe.base_tokenizer import base_path
from groundup.recipe.compose import compose
from groundup.recipe.data import Prepared, prepare_recipe
from groundup.recipe.fine_tuning import settings_in_vain
from groundup.recipe.finish import finish
from groundup.recipe.identity import code_sha256, data_hashes, require_same_recipe
from groundup.recipe.memory_budget import parts_within_budget
from groundup.recipe.precision import warn_of_slow_precision
from groundup.recipe.private import privacy_of
from groundup.recipe.promise import Promise
from groundup.recipe.reference import find_reference
from groundup.recipe.resume import open_run
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe, begun_texts, check_start, default_run, load_recipe, sources_folder
from groundup.report.page import report_is_stale, write_report
from groundup.run.checkpoints import STATE_FILE
from groundup.run.directory import MANIFEST_FILE, METRICS_FILE, FollowedRun, RunDirectory
from groundup.run.files import explain_os_errors
from groundup.run.records import read_records
from groundup.tokens.example_facts import describe_labels
from groundup.tokens.mixture import describe
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.tokens.prepared_facts import describe_steps
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.loop import Outcome
from groundup.training.loop import train as train_loop
from groundup.training.optimizers import trainable
from groundup.training.privacy.plan import describe_privacy
from groundup.training.ranks import Ranks, joined
from groundup.training.schedules import with_steps

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainedRun:
    """What `train` gives back."""

    path: Path
    """The run directory."""
    stopped_because: str
    """max_steps, patience, privacy_budget, already_finished, SIGINT or SIGTERM."""

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
    folder = Path(run) if run else None
    with joined(settings.parallel, settings.training.device) as (ranks, device):
        if ranks.first:
            directory = check_start(str(recipe), settings, folder, resume)
        else:
            directory, say = FollowedRun(folder or default_run(str(recipe))), _silent
        with directory.locked():
            if ranks.once(lambda: _is_finished(settings, directory, resume)):
                return TrainedRun(directory.path, "already_finished")
            sources = sources_folder(str(recipe), directory)
            return _train_locked(settings, directory, sources, device, ranks, say)


def _is_finished(settings: Recipe, directory: RunDirectory, resume: bool) -> bool:
    """Whether there is nothing left to do in this run, which is ours now. Raises `RunError` where it can't be begun or gone on with."""
    if not (resume and directory.started):
        directory.require_empty(begun_texts(settings))  # once more, now that it is ours
    if not directory.started:
        return False
    require_same_recipe(directory, settings)
    if directory.finished:
        directory.verify_model()
        if report_is_stale(directory.path):  # it ended, or the disk was full, before the last page was written
            write_report(directory.path)
    return directory.finished


def _silent(text: str) -> None:
    """The first process says it."""


def _train_locked(
    settings: Recipe, directory: RunDirectory, folder: Path, device: torch.device, ranks: Ranks, say: Say
) -> TrainedRun:
    begun = time.perf_counter()
    for line in settings_in_vain(settings.training):
        say(line)
    data = ranks.one_before_the_others(lambda: prepare_recipe(settings, folder, say))
    require_alike(settings, data, device, ranks)
    more = describe(data.facts) if isinstance(data, PreparedData) else describe_labels(data.facts)
    for line in (*describe_steps(data.facts), *more):
        say(line)
    steps = with_steps(settings.training, data.plan.num_rows).max_steps
    privacy = privacy_of(settings.training, data)
    for line in describe_privacy(privacy, steps) if privacy else ():
        say(line)
    files = starting_model(settings, data.tokenizer, folder)
    model = files.model
    ranks.require_same("the base's weights", files.base_sha256)
    try:
        LanguageModel(model, data.tokenizer).check_prompt(settings.training.sample_prompt)
    except GenerationError as error:
        raise SettingError("training.sample_prompt", settings.training.sample_prompt, str(error)) from error
    set_threads(ranks.threads(settings.training.num_threads))
    parts = ranks.once(lambda: parts_within_budget(settings, directory, data, files, device, say, ranks))
    settings = replace(settings, training=replace(settings.training, accumulation_steps=parts))
    dtype = autocast_dtype(settings.training.precision, device)
    peak_flops = matmul_flops_per_second(device, dtype or torch.float32)

    def begin() -> str:
        found = open_run(settings, directory, folder, data, files, device, peak_flops, privacy, say, ranks)
        return str(found or "")

    began = ranks.once(begin)
    checkpoint = Path(began) if began else None
    require_shared(directory, checkpoint, ranks)
    if checkpoint is not None:
        files.load(checkpoint)
    warn_of_slow_precision(settings.training, device, say)
    if files.base and settings.training.warmup_steps >= steps:
        say(
            f"warning: the learning rate rises over training.warmup_steps = {settings.training.warmup_steps}, and there are "
            f"{steps} steps: it never reaches its peak; lower the former"
        )
    say(f"{_size(files)}, {len(data.train.ids):,} training tokens, {device.type}; the run is in {directory.path}")
    if settings.parallel.strategy != "fsdp" or settings.training.objective == "preference":
        model.to(device)
    ranks.send(trainable(model))  # the same from the first step on, whatever each machine's processor made of the seed
    reference = None
    if settings.training.objective == "preference" and isinstance(data, PreparedExamples):
        reference = find_reference(model, data, directory, checkpoint, settings.evaluation.batch_size, dtype, ranks)
    sharded = settings.parallel.strategy == "fsdp"
    if sharded:
        model.to("cpu")  # each block goes to the device by itself
    shard_to = device if sharded else None
    composition = compose(settings, directory, data, files, peak_flops, reference, privacy, ranks, shard_to)
    task = composition.task
    promise = Promise(settings, directory, begun, resumed=checkpoint is not None)
    if ranks.first:
        promise.memory(data, task, ranks)
        task = promise.telling_time(task)
    try:
        outcome = train_loop(task, checkpoint)
    except TrainingError:
        if not ranks.first:
            ranks.wait()  # in vain: until the first, which came to the same, has told of it and is gone
        write_report(directory.path)  # a picture of how it went wrong
        raise

    def keep_outcome() -> None:
        promise.keep(device, outcome.finished, outcome.progress.joules)

    if ranks.first and outcome.finished:
        model.to(device)
        finish(settings, directory, files, composition, outcome, say, keep_outcome)
        if files.base:
            _say_if_in_vain(directory, outcome, settings.model.base, say)
    elif ranks.first:
        keep_outcome()
    if ranks.first:
        with explain_os_errors(directory.path):
            write_report(directory.path)
    ranks.part()  # who leaves before the first has told everything is taken for one that failed
    return TrainedRun(directory.path, outcome.stopped_because)


def require_alike(settings: Recipe, data: Prepared, device: torch.device, ranks: Ranks) -> None:
    """Raise `RunError` in all processes unless they train with the same code on the same, in the same way."""
    if ranks.size == 1:
        return
    precision = precision_name(autocast_dtype(settings.training.precision, device))
    ranks.require_same("the code of Groundup", code_sha256())
    ranks.require_same("the prepared text", json.dumps([write_toml(settings), data_hashes(data)]))
    ranks.require_same("the device or the precision", f"{device.type} {precision}")


def require_shared(directory: RunDirectory, checkpoint: Path | None, ranks: Ranks) -> None:
    """Raise `RunError` in all processes unless each of them sees the run that the first has begun, or the checkpoint that it goes on
    from, and not an older copy."""
    if ranks.largest(0 if directory.started else ranks.rank):
        raise RunError(
            f"{directory.path} is not there on every machine: name a folder that they share with --run DIR, since all go on from its "
            "checkpoints"
        )
    file = directory.path / MANIFEST_FILE if checkpoint is None else checkpoint / STATE_FILE
    ranks.require_same(f"{file}", sha256_file(file) if file.is_file() else "missing")


def starting_model(settings: Recipe, tokenizer: Tokenizer, folder: Path) -> ModelFiles:
    """The network to be trained: a new one, or the base, whose weights stay as they are beside adapters."""
    seed = settings.training.seed
    if not settings.model.base:
        config = with_vocabulary(settings.model.network(), tokenizer.vocab_size)
        require_memory(config)
        torch.manual_seed(seed)
        return ModelFiles(Transformer(config), tokenizer)
    base = open_base(settings, folder)
    name, sha256 = base_path(settings.model.base, folder), weights_sha256(base.model)
    model = made_ready(base, settings, tokenizer)
    if settings.training.method == "full":
        require_memory(model.config)
        return ModelFiles(model, tokenizer, name, sha256)
    _require_adapters(settings, base, tokenizer)
    add_lora(model, settings.training.lora, seed)
    return ModelFiles(model, tokenizer, name, sha256, settings.training.lora)


def _require_adapters(settings: Recipe, base: LanguageModel, tokenizer: Tokenizer) -> None:
    """Raise `SettingError` where adapters would have to learn new tokens, `MachineError` where they can't fit into memory."""
    if tokenizer.vocab_size > base.tokenizer.vocab_size:
        name = "fim_rate" if settings.data.fim_rate else "language_tags"
        raise SettingError(
            f"data.{name}",
            getattr(settings.data, name),
            f"the tokenizer of {settings.model.base} lacks the tokens for it, and adapters can't learn new ones: leave it out, or "
            'use training.method = "full"',
        )
    lora, there = settings.training.lora, memory_bytes()
    needed = 16 * adapter_parameters(base.model.config, lora)
    if needed > there > 0:
        raise MachineError(
            f"adapters of rank {lora.rank:,} need about {needed / 1e9:,.0f} GB to train, and this machine has "
            f"{there / 1e9:,.0f} GB: lower training.lora.rank"
        )


def _say_if_in_vain(directory: RunDirectory, outcome: Outcome, base: str, say: Say) -> None:
    """Say so if no checkpoint does better on what is held out than the base did."""
    best = outcome.progress.best_loss
    records = read_records(directory.path / METRICS_FILE)
    before = next((one["loss"] for one in records if one.get("kind") == "validation" and one.get("step") == 0), None)
    if best is not None and isinstance(before, float) and best >= before:
        say(
            f"warning: the best validation loss, {best:.4f}, is no better than that of {base} itself, {before:.4f}: the tuning taught "
            "nothing that was held out; try a lower training.learning_rate, or more rows"
        )


def _size(files: ModelFiles) -> str:
    """How many parameters there are, and how many of them are trained."""
    trainable, total = parameter_split(files.model)
    if trainable == total:
        return f"{total:,} parameters"
    return f"{trainable:,} of {total:,} parameters are trained ({trainable / total:.2%})"


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

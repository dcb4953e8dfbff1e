"""`train`: a recipe becomes a run. Joins text, tokens, model, training, evaluation and generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from groundup.device import peak_flops_per_second, precision_on, set_threads
from groundup.errors import GenerationError, SettingError, TrainingError
from groundup.language_model import LanguageModel
from groundup.model.lora import parameter_split
from groundup.recipe.alike import require_alike, require_shared
from groundup.recipe.compose import compose
from groundup.recipe.data import Prepared, prepare_recipe
from groundup.recipe.fine_tuning import settings_in_vain
from groundup.recipe.finish import finish
from groundup.recipe.identity import require_same_recipe
from groundup.recipe.memory_budget import parts_within_budget
from groundup.recipe.precision import warn_of_slow_precision
from groundup.recipe.private import privacy_of
from groundup.recipe.promise import Promise
from groundup.recipe.reference import Reference, find_reference
from groundup.recipe.resume import open_run
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe, begun_texts, check_start, default_run, load_recipe, sources_folder
from groundup.recipe.starting_model import starting_model
from groundup.report.page import report_is_stale, write_report
from groundup.run.checkpoints import sweep
from groundup.run.directory import METRICS_FILE, FollowedRun, RunDirectory
from groundup.run.files import explain_os_errors
from groundup.run.records import read_records
from groundup.tokens.example_facts import describe_labels
from groundup.tokens.mixture import describe
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.tokens.prepared_facts import describe_steps
from groundup.training.loop import Outcome
from groundup.training.loop import train as train_loop
from groundup.training.optimizers import trainable
from groundup.training.privacy.plan import PrivacyPlan, describe_privacy
from groundup.training.ranks import Ranks, joined
from groundup.training.schedules import with_steps
from groundup.training.task import Task

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
    with joined(settings.parallel, settings.training.device, say) as (ranks, device):
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
        sweep(directory.path)
        directory.verify_model()
        if report_is_stale(directory.path):  # it ended, or the disk was full, before the last page was written
            write_report(directory.path)
    return directory.finished


def _silent(text: str) -> None:
    """The first process says it."""


def _train_locked(
    settings: Recipe, directory: RunDirectory, folder: Path, device: torch.device, ranks: Ranks, say: Say
) -> TrainedRun:
    """The training of a run that is ours, from the text to the finished model."""
    begun = time.perf_counter()
    precision_on(device, settings.training.precision)  # refused before anything is prepared

    # 1. The text, and the network that begins.
    data, privacy = _prepare(settings, folder, device, ranks, say)
    files = _open_model(settings, data, folder, ranks)

    # 2. The run: a new one, or an old one's newest checkpoint.
    set_threads(ranks.threads(settings.training.num_threads))
    parts = ranks.once(lambda: parts_within_budget(settings, directory, data, files, device, say, ranks))
    settings = replace(settings, training=replace(settings.training, accumulation_steps=parts))
    peak_flops = peak_flops_per_second(device, settings.training.precision)

    def begin() -> str:
        found = open_run(settings, directory, folder, data, files, device, peak_flops, privacy, say, ranks)
        return str(found or "")

    began = ranks.once(begin)
    checkpoint = Path(began) if began else None
    require_shared(directory, checkpoint, ranks)
    if checkpoint is not None:
        files.load(checkpoint)
    _say_what_begins(settings, directory, data, files, device, say)

    # 3. The task: all on its device, and composed.
    reference = _place(settings, directory, data, files, device, checkpoint, ranks)
    shard_to = device if settings.parallel.strategy == "fsdp" else None
    composition = compose(settings, directory, data, files, peak_flops, reference, privacy, ranks, shard_to)
    task, promise = composition.task, Promise(settings, directory, begun, resumed=checkpoint is not None)
    if ranks.first:
        promise.memory(data, task, ranks)
        task = promise.telling_time(task)

    # 4. The steps, and what comes of them.
    outcome = _take_steps(task, checkpoint)

    def keep_outcome() -> None:
        promise.keep(device, outcome.finished, outcome.progress.joules)

    if ranks.first:
        if outcome.finished:
            files.model.to(device)
            finish(settings, directory, files, composition, outcome, say, keep_outcome)
            if files.base:
                _say_if_in_vain(directory, outcome, settings.model.base, say)
        else:
            keep_outcome()
        with explain_os_errors(directory.path):
            write_report(directory.path)
    ranks.part()  # who leaves before the first has told everything is taken for one that failed
    return TrainedRun(directory.path, outcome.stopped_because)


def _prepare(
    settings: Recipe, folder: Path, device: torch.device, ranks: Ranks, say: Say
) -> tuple[Prepared, PrivacyPlan | None]:
    """The prepared text, the same in all processes, and how it is kept private; what there is to know of them is said."""
    for line in settings_in_vain(settings.training):
        say(line)
    data = ranks.one_before_the_others(lambda: prepare_recipe(settings, folder, say))
    require_alike(settings, data, device, ranks)
    more = describe(data.facts) if isinstance(data, PreparedData) else describe_labels(data.facts)
    for line in (*describe_steps(data.facts), *more):
        say(line)
    privacy = privacy_of(settings.training, data)
    steps = with_steps(settings.training, data.plan.num_rows).max_steps
    for line in describe_privacy(privacy, steps) if privacy else ():
        say(line)
    return data, privacy


def _open_model(settings: Recipe, data: Prepared, folder: Path, ranks: Ranks) -> ModelFiles:
    """The network that begins, which can write on after the recipe's prompt. Raises `SettingError` where it can't."""
    files = starting_model(settings, data.tokenizer, folder)
    ranks.require_same("the base's weights", files.base_sha256)
    try:
        LanguageModel(files.model, data.tokenizer).check_prompt(settings.training.sample_prompt)
    except GenerationError as error:
        raise SettingError("training.sample_prompt", settings.training.sample_prompt, str(error)) from error
    return files


def _say_what_begins(
    settings: Recipe, directory: RunDirectory, data: Prepared, files: ModelFiles, device: torch.device, say: Say
) -> None:
    """How large it is and where, and what will be slow or in vain."""
    warn_of_slow_precision(settings.training, device, say)
    steps = with_steps(settings.training, data.plan.num_rows).max_steps
    if files.base and settings.training.warmup_steps >= steps:
        say(
            f"warning: the learning rate rises over training.warmup_steps = {settings.training.warmup_steps}, and there are "
            f"{steps} steps: it never reaches its peak; lower the former"
        )
    say(f"{_size(files)}, {len(data.train.ids):,} training tokens, {device.type}; the run is in {directory.path}")


def _place(
    settings: Recipe,
    directory: RunDirectory,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    checkpoint: Path | None,
    ranks: Ranks,
) -> Reference | None:
    """Put the network where it is trained, with the same weights in all processes; for pairs, what it thinks of them as it begins."""
    sharded, pairs = settings.parallel.strategy == "fsdp", settings.training.objective == "preference"
    if not sharded or pairs:
        files.model.to(device)
    ranks.send(
        trainable(files.model)
    )  # the same from the first step on, whatever each machine's processor made of the seed
    reference = None
    if pairs and isinstance(data, PreparedExamples):
        at_once, precision = settings.evaluation.batch_size, settings.training.precision
        reference = find_reference(files.model, data, directory, checkpoint, at_once, precision, ranks)
    if sharded:
        files.model.to("cpu")  # each block goes to the device by itself
    return reference


def _take_steps(task: Task, checkpoint: Path | None) -> Outcome:
    """The loop; where it fails, a report shows how."""
    try:
        return train_loop(task, checkpoint)
    except TrainingError:
        if not task.ranks.first:
            task.ranks.wait()  # in vain: until the first, which came to the same, has told of it and is gone
        write_report(task.run.path)  # a picture of how it went wrong
        raise


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

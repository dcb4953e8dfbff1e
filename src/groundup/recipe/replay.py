"""`verify --replay`: a stretch of a run trained again, and held against the first time bit for bit."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from groundup.config import build, read_toml
from groundup.device import describe_machine, pick_device, set_threads
from groundup.errors import RunError
from groundup.recipe.compose import compose
from groundup.recipe.data import prepare_recipe
from groundup.recipe.identity import code_sha256, library_versions, require_same_data
from groundup.recipe.reference import REFERENCE_FILE, find_reference
from groundup.recipe.settings import Recipe
from groundup.recipe.starting_model import starting_model
from groundup.run.checkpoints import STATE_FILE, checkpoint_path, list_checkpoints, read_state, step_of
from groundup.run.directory import EVENTS_FILE, MANIFEST_FILE, METRICS_FILE, RECIPE_FILE, RunDirectory
from groundup.run.records import read_records
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.loop import train as train_loop

OF_THE_CLOCK = {"tokens_per_second", "mfu", "seconds"}


@dataclass(frozen=True)
class Replay:
    """A stretch that gave the same again."""

    begin: int
    """The step that it went on from; 0: the untrained model."""
    end: int
    weights: bool
    """Whether a checkpoint stands at the end, whose weights and optimizer were compared. Else only what was logged."""
    lines: int
    """Logged lines that were compared: losses, norms, learning rates."""

    def __str__(self) -> str:
        lines = f"{self.lines} logged line{'' if self.lines == 1 else 's'}"
        what = f"the weights, the optimizer's state and {lines}" if self.weights else lines
        same = "is" if self.lines == 1 and not self.weights else "are"
        return f"steps {self.begin + 1} to {self.end} trained again: {what} {same} the same, bit for bit"


def replay(run: Path, num_steps: int) -> Replay:
    """Train `num_steps` again from a checkpoint of the run (or from its beginning), beside it; nothing in the run changes.

    The stretch is the newest that ends at a checkpoint, or else the newest with a logged line in it. Raises `RunError` where there is
    none, and where something is not what it was the first time, naming the first thing.
    """
    directory = RunDirectory(run)
    settings = build(Recipe, read_toml(run / RECIPE_FILE))
    if settings.training.privacy.on:
        raise RunError(
            f"{directory.path} was trained privately, and can't be trained again: what was drawn and the noise came from the operating "
            "system, and were written nowhere; verify it without --replay"
        )
    _require_one_process(directory)
    begin, end = _stretch(directory, num_steps)
    with tempfile.TemporaryDirectory(prefix="groundup-replay-") as folder:
        again = RunDirectory(Path(folder) / "run")
        _copy_beginning(directory, again, begin)
        _train(settings, directory, again, begin, end)
        return _compare(directory, again, begin, end)


def _require_one_process(directory: RunDirectory) -> None:
    """Raise `RunError` if several processes trained the run, or a part of it."""
    resumed = [event.get("processes", 1) for event in read_records(directory.path / EVENTS_FILE)]
    if max(directory.manifest().get("processes", 1), 1, *resumed) > 1:
        raise RunError(
            f"{directory.path} was trained by several processes, which add up gradients in another order than one does, so the last "
            "digits would differ: verify it without --replay"
        )


def _stretch(directory: RunDirectory, num_steps: int) -> tuple[int, int]:
    saved = [step_of(path) for path in list_checkpoints(directory.path)]
    if not saved:
        raise RunError(f"{directory.path} has no checkpoint to go on from, or to compare with")
    begins = [step for step in (0, *saved) if step + num_steps <= saved[-1]]
    for begin in reversed(begins):
        if begin + num_steps in saved:
            return begin, begin + num_steps
    logged = [line["step"] for line in _lines(directory.path)]
    for begin in reversed(begins):
        if any(begin < step <= begin + num_steps for step in logged):
            return begin, begin + num_steps
    stretches = sorted({later - earlier for earlier in (0, *saved) for later in saved if later > earlier})
    raise RunError(
        f"no stretch of {num_steps} steps of {directory.path} begins at a checkpoint and has something to compare: its checkpoints "
        f"({', '.join(map(str, saved))}) stand {', '.join(map(str, stretches[:5]))} steps apart; name such a number with --replay"
    )


def _lines(run: Path) -> list[dict[str, Any]]:
    """What was logged, without what depends on the clock."""
    lines = [line for line in read_records(run / METRICS_FILE) if isinstance(line.get("step"), int)]
    return [{key: value for key, value in line.items() if key not in OF_THE_CLOCK} for line in lines]


def _copy_beginning(directory: RunDirectory, again: RunDirectory, begin: int) -> None:
    """What the stretch needs of the run, in a folder of its own."""
    again.path.mkdir()
    for name in (RECIPE_FILE, MANIFEST_FILE, REFERENCE_FILE):
        if (directory.path / name).exists():
            shutil.copyfile(directory.path / name, again.path / name)
    if begin:
        shutil.copytree(checkpoint_path(directory.path, begin), checkpoint_path(again.path, begin))


def _train(settings: Recipe, directory: RunDirectory, again: RunDirectory, begin: int, end: int) -> None:
    folder = directory.working_folder()
    data = prepare_recipe(settings, folder, _silent)
    require_same_data(directory, data)
    device = pick_device(settings.training.device)
    files = starting_model(settings, data.tokenizer, folder)
    set_threads(settings.training.num_threads)
    checkpoint = checkpoint_path(again.path, begin) if begin else None
    if checkpoint is not None:
        files.load(checkpoint)
    files.model.to(device)
    reference = None
    if settings.training.objective == "preference" and isinstance(data, PreparedExamples):
        precision, at_once = settings.training.precision, settings.evaluation.batch_size
        reference = find_reference(files.model, data, again, checkpoint, at_once, precision)
    manifest = directory.manifest()
    task = compose(settings, again, data, files, manifest["matmul_flops_per_second"], reference, None).task
    task = replace(task, show=lambda: None, settings=replace(task.settings, num_threads=manifest["num_threads"]))
    train_loop(task, checkpoint, until=end)


def _compare(directory: RunDirectory, again: RunDirectory, begin: int, end: int) -> Replay:
    first, second = ([line for line in _lines(run.path) if begin < line["step"] <= end] for run in (directory, again))
    for before, now in zip(first, second, strict=False):
        different = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        if different:
            key = different[0]
            raise RunError(
                f"{key} at step {before['step']} was {before.get(key)!r}, and is {now.get(key)!r} when it is trained again"
                f"{_why(directory)}"
            )
    if len(first) != len(second):
        raise RunError(
            f"{directory.path / METRICS_FILE} has {len(first)} lines of the steps {begin + 1} to {end}, and training them again "
            f"gives {len(second)}{_why(directory)}"
        )
    there = checkpoint_path(directory.path, end)
    if not (there / STATE_FILE).is_file():
        return Replay(begin, end, False, len(first))
    before, now = (read_state(path)["files"] for path in (there, checkpoint_path(again.path, end)))
    for name in sorted(before):
        if name.endswith(".safetensors") and before[name] != now.get(name):
            raise RunError(f"{there / name} is not what training gives again, though all losses are{_why(directory)}")
    return Replay(begin, end, True, len(first))


def _why(directory: RunDirectory) -> str:
    """What is different here from where the run was made, if anything is: the same bits are promised of one machine's CPU only."""
    manifest = directory.manifest()
    code = "the code of Groundup"
    here = {"cpu": describe_machine(torch.device("cpu"))["cpu"], **library_versions(), code: code_sha256()}
    there = {
        "cpu": manifest.get("machine", {}).get("cpu"),
        **manifest.get("libraries", {}),
        code: manifest.get("code_sha256"),
    }
    others = [name for name, value in there.items() if value is not None and value != here.get(name)]
    if others:
        return f" (other than then: {', '.join(others)})"
    if manifest.get("machine", {}).get("device", "cpu") != "cpu":
        return (
            ": on a GPU the gradients of long rows are added up in whichever order they come, so the last digits differ"
        )
    return ": the run did not go as its files say"


def _silent(text: str) -> None:
    """What preparing has to say was said when the run began."""

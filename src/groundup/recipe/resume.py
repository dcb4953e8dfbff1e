"""The beginning of a training: a new run's files, or the checkpoint that an old one goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from groundup.config import write_toml
from groundup.device import precision_on
from groundup.errors import CheckpointError, MachineError
from groundup.recipe.data import Prepared
from groundup.recipe.identity import describe_run, fingerprint, require_same_base, require_same_data
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.run.checkpoints import list_checkpoints, read_state, set_aside, step_of, sweep, verify_checkpoint
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.run.files import write_atomic
from groundup.training.privacy.plan import PrivacyPlan
from groundup.training.ranks import ALONE, Ranks

Say = Callable[[str], None]


def open_run(
    settings: Recipe,
    directory: RunDirectory,
    folder: Path,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    peak_flops: float,
    privacy: PrivacyPlan | None,
    say: Say,
    ranks: Ranks = ALONE,
) -> Path | None:
    """Begin the run's files, or check that they belong to this training; the checkpoint to go on from, if there is one."""
    if not directory.started:
        text = write_toml(settings)
        write_atomic(directory.path / RECIPE_FILE, text)
        directory.write_manifest(describe_run(settings, text, folder, data, files, device, peak_flops, privacy, ranks))
        directory.log_event("started", 0)
        return None
    require_same_data(directory, data, going_on=True)
    require_same_base(directory, files)
    sweep(directory.path)
    checkpoint = newest_whole_checkpoint(directory, fingerprint(directory, data, files.base_sha256), say)
    step = step_of(checkpoint) if checkpoint else 0
    marks = read_state(checkpoint).get("records", {}) if checkpoint else {}
    for name in directory.cut_to(step if checkpoint else -1, marks):
        why = f"{directory.path / name} is damaged or was changed: its lines up to step {step} are not those that were written"
        say(f"warning: {why}; it is kept as damaged-{name}, and what can still be read of it goes on")
        directory.log_event("damaged", step, why=why)
    directory.log_event("resumed", step, checkpoint=checkpoint.name if checkpoint else None, processes=ranks.size)
    say(f"going on from step {step} in {directory.path}")
    if checkpoint is not None:
        _warn_of_other_bits(read_state(checkpoint), settings, device, ranks, say)
        if privacy is not None:
            say(
                "documents and noise are drawn anew, as nobody can draw them again; what was spent stays spent, on checkpoints that are "
                "gone, too"
            )
    return checkpoint


def _warn_of_other_bits(
    state: Mapping[str, Any], settings: Recipe, device: torch.device, ranks: Ranks, say: Say
) -> None:
    precision = precision_on(device, settings.training.precision)
    began, now = (state["device"], state.get("precision", precision)), (device.type, precision)
    if began != now:
        say(
            f"warning: the run began on {began[0]} in {began[1]} and goes on on {now[0]} in {now[1]}: it goes on well, "
            "but not to the same bits"
        )
    processes = state.get("processes", 1)
    if processes != ranks.size:
        say(
            f"the run was trained by {_count(processes)} and goes on with {_count(ranks.size)}: on the same batches, but sums are added up "
            "in another order"
        )


def _count(processes: int) -> str:
    return "one process" if processes == 1 else f"{processes} processes"


def newest_whole_checkpoint(directory: RunDirectory, made_with: Mapping[str, str], say: Say) -> Path | None:
    """The newest checkpoint of this run whose every file is as it was written; None if none was ever written.

    Damaged newer ones are named and set aside. When none is whole, all stay where they are and a `CheckpointError` is raised:
    starting over is for the user to decide.
    """
    known = directory.manifest().get("checkpoints", {})
    damaged: list[tuple[Path, CheckpointError]] = []
    for checkpoint in reversed(list_checkpoints(directory.path)):
        try:
            verify_checkpoint(checkpoint, known.get(checkpoint.name), made_with)
        except CheckpointError as error:
            damaged.append((checkpoint, error))
            continue
        except OSError as error:  # it may be whole: whoever knows the disk decides
            raise MachineError(
                f"{error.filename} cannot be read ({error.strerror}): mend that and give the same command again, or rename {checkpoint}, "
                "and training goes on from the checkpoint before it"
            ) from error
        for newer, reason in damaged:
            aside = set_aside(newer)
            directory.forget_checkpoint(newer)
            directory.log_event("damaged", step_of(newer), why=str(reason))
            say(f"warning: {reason}; it is set aside as {aside.name}, and training goes on from {checkpoint.name}")
        if checkpoint.name not in known:  # training was killed between the two
            directory.record_checkpoint(checkpoint)
        return checkpoint
    if damaged or known:
        what = (
            f"{damaged[0][1]}, and none of the run's {len(damaged)} checkpoints is whole"
            if damaged
            else f"the checkpoints that {directory.path} had written are gone"
        )
        raise CheckpointError(f"{what}: restore one from a copy, or start a new run with --run DIR")
    return None

"""The end of a training: the best checkpoint is measured on all validation text and published with its card."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.errors import CheckpointError
from groundup.files import sha256_file
from groundup.model.directory import WEIGHTS_FILE
from groundup.recipe.compose import Composition
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.report.card import write_card
from groundup.report.evidence import copy_evidence
from groundup.run.checkpoints import STATE_FILE, checkpoint_path, is_optimizer_file, read_state, verify_checkpoint
from groundup.run.directory import MODEL_FOLDER, RunDirectory
from groundup.run.files import explain_os_errors, publish_directory
from groundup.training.loop import Outcome
from groundup.training.privacy.accountant import num_steps
from groundup.training.privacy.steps import PrivateSteps


def finish(
    settings: Recipe,
    directory: RunDirectory,
    files: ModelFiles,
    composition: Composition,
    outcome: Outcome,
    say: Callable[[str], None],
) -> None:
    """Measure the best checkpoint on the whole validation split and publish it as `model/`, its card inside.

    If the best checkpoint was damaged since, that is said, and the last one takes its place. The model is left with its weights.
    """
    progress = outcome.progress
    best, state = _best_checkpoint(directory, outcome, say)
    privacy = PrivateSteps(composition.task.privacy) if composition.task.privacy else None
    if privacy is not None:  # of all steps, whichever checkpoint is the best: it was chosen among them all
        privacy.go_on(directory, read_state(checkpoint_path(directory.path, progress.step)))
    files.load(best)
    files.model.eval()  # once: the sample would switch it at every token
    measured = composition.measure()
    prompt, sample = composition.write(settings.generation)
    temporary = directory.path / f".writing-{MODEL_FOLDER}"
    shutil.rmtree(temporary, ignore_errors=True)
    with explain_os_errors(directory.path / MODEL_FOLDER):
        temporary.mkdir()
        if files.lora is None and WEIGHTS_FILE in state["files"]:
            for name in state["files"]:
                if not is_optimizer_file(name):
                    shutil.copyfile(best / name, temporary / name)
        else:
            files.save_whole(temporary)
        hashes = {file.name: sha256_file(file) for file in sorted(temporary.iterdir())}
    directory.log_event("finished", progress.step, why=outcome.stopped_because, best_step=state["step"])
    directory.write_result(
        {
            "state": "finished",
            "objective": settings.training.objective,
            "stopped_because": outcome.stopped_because,
            "steps": progress.step,
            "best_step": state["step"],
            "tokens": progress.tokens,
            "seconds": round(progress.seconds, 2),
            "privacy": privacy.state() if privacy else None,
            "joules": None if progress.joules is None else round(progress.joules, 1),
            "validation": measured,
            "sample": sample,
            "sample_prompt": prompt,
            "model_files": hashes,
            "checkpoint": {"name": best.name, "sha256": sha256_file(best / STATE_FILE)},
            "manifest": directory.made_of(),
            "records": directory.record_marks(),
        }
    )
    if privacy is not None and (epsilon := privacy.spent()) is not None:
        taken = num_steps(privacy.ledger)
        lost = f", {taken - progress.step:,} of them lost" if taken > progress.step else ""
        say(f"spent ε = {epsilon:.3g} at δ = {privacy.plan.delta:.2g}, over all {taken:,} steps{lost}")
    with explain_os_errors(directory.path / MODEL_FOLDER):
        write_card(directory.path, temporary)
        copy_evidence(directory.path, temporary)
        publish_directory(temporary, directory.path / MODEL_FOLDER)


def _best_checkpoint(
    directory: RunDirectory, outcome: Outcome, say: Callable[[str], None]
) -> tuple[Path, dict[str, Any]]:
    """The best checkpoint that is whole, and its state."""
    progress = outcome.progress
    best_step = progress.best_step if progress.best_step is not None else progress.step
    best = checkpoint_path(directory.path, best_step)
    try:
        return best, verify_checkpoint(best)
    except CheckpointError as error:
        if best_step == progress.step:
            raise
        say(f"warning: {error}; it was the best checkpoint, so model/ is made from the last one, step {progress.step}")
        directory.log_event("damaged", best_step, why=str(error))
    best = checkpoint_path(directory.path, progress.step)
    return best, verify_checkpoint(best)

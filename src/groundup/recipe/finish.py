"""The end of a training: the best checkpoint is measured on all validation text and published with its card."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from groundup.errors import CheckpointError
from groundup.language_model import LanguageModel
from groundup.model.directory import load_model, save_model
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.recipe.measure import measure_validation
from groundup.recipe.settings import Recipe
from groundup.report.card import write_card
from groundup.run.checkpoints import OPTIMIZER_FILE, checkpoint_path, verify_checkpoint
from groundup.run.directory import MODEL_FOLDER, RunDirectory
from groundup.run.files import explain_os_errors, publish_directory
from groundup.tokens.prepare import PreparedData
from groundup.training.loop import Outcome


def save_language_model(language_model: LanguageModel, directory: Path) -> None:
    """A model's Hugging Face directory: weights, configs, tokenizer."""
    tokenizer = language_model.tokenizer
    save_model(
        language_model.model, directory, tokenizer.end_id, tokenizer.pad_id, tokenizer.begin_id, tokenizer.end_ids
    )
    tokenizer.save(directory, max_length=language_model.model.config.max_seq_len)


def finish(
    settings: Recipe,
    directory: RunDirectory,
    data: PreparedData,
    config: TransformerConfig,
    outcome: Outcome,
    device: torch.device,
    say: Callable[[str], None],
) -> None:
    """Measure the best checkpoint on the whole validation split and publish it as `model/`, its card inside.

    If the best checkpoint was damaged since, that is said, and the last one takes its place.
    """
    progress = outcome.progress
    best_step = progress.best_step if progress.best_step is not None else progress.step
    best = checkpoint_path(directory.path, best_step)
    try:
        state = verify_checkpoint(best)
    except CheckpointError as error:
        if best_step == progress.step:
            raise
        say(f"warning: {error}; it was the best checkpoint, so model/ is made from the last one, step {progress.step}")
        directory.log_event("damaged", best_step, why=str(error))
        best_step = progress.step
        best = checkpoint_path(directory.path, best_step)
        state = verify_checkpoint(best)
    model = Transformer(config).eval()  # once: the sample would switch it at every token
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
            "model_files": {name: value for name, value in state["files"].items() if name != OPTIMIZER_FILE},
        }
    )
    directory.log_event("finished", progress.step, why=outcome.stopped_because, best_step=best_step)
    temporary = directory.path / f".writing-{MODEL_FOLDER}"
    shutil.rmtree(temporary, ignore_errors=True)
    with explain_os_errors(directory.path / MODEL_FOLDER):
        temporary.mkdir()
        for name in state["files"]:
            if name != OPTIMIZER_FILE:
                shutil.copyfile(best / name, temporary / name)
        write_card(directory.path, temporary)
        publish_directory(temporary, directory.path / MODEL_FOLDER)

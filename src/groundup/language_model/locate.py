"""Which directory a MODEL argument means."""

from __future__ import annotations

import difflib
from pathlib import Path

from groundup.errors import CheckpointError, ModelError
from groundup.language_model.convert import directory_of_catalogue, directory_of_gguf, directory_of_hub
from groundup.model.adapter_config import is_adapter
from groundup.run.checkpoints import STATE_FILE, list_checkpoints, verify_checkpoint
from groundup.run.directory import MODEL_FOLDER, RunDirectory
from groundup.text.catalogue import CATALOGUE, MODELS
from groundup.text.remote import HUB, HUB_NAME, is_hub_id

CONFIG_FILE = "config.json"


def find_model(path: str | Path) -> Path:
    """The Hugging Face directory that a run's folder, a checkpoint, such a directory itself, a .gguf file, a model of the catalogue
    or one of the hub (`hf://owner/name`) stands for; an adapter's directory stands for itself (`adapters.open_model` opens either).

    Of a run: its `model/` (the best checkpoint, written when the run is done), else its newest checkpoint.
    """
    directory = Path(path)
    if is_hub_id(str(path)):
        return directory_of_hub(str(path))
    if str(path) in MODELS and not directory.exists():
        return directory_of_catalogue(str(path))
    if directory.suffix == ".gguf":
        return directory_of_gguf(directory)
    if _is_model(directory):
        return directory
    candidates = [directory / MODEL_FOLDER, *reversed(list_checkpoints(directory))]
    found = next((candidate for candidate in candidates if _is_model(candidate)), None)
    if found is not None:
        return found
    if RunDirectory(directory).started:
        raise ModelError(
            f"the run {path} has saved no checkpoint yet: wait for its first, or go on with it by --resume"
        )
    pickles = [file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl") for file in sorted(directory.glob(pattern))]
    if pickles:
        raise ModelError(
            f"{path} holds only {pickles[0]}, a pickle, which can run code when it is loaded, so we don't: "
            "convert it to safetensors with the program that wrote it"
        )
    raise ModelError(
        f"{path} is not a model: name a run's folder (runs/NAME), "
        "a checkpoint in it (runs/NAME/checkpoints/step-NNNNNN), "
        f"a Hugging Face directory (config.json, model.safetensors, tokenizer.json), an adapter's, a .gguf file, "
        f"a model of the catalogue ({', '.join(MODELS)}) or of the hub (hf://owner/name){_hint(directory)}"
    )


def _is_model(directory: Path) -> bool:
    return (directory / CONFIG_FILE).is_file() or is_adapter(directory)


def verify_as_written(directory: Path) -> None:
    """Raise `RunError` if a run's model or checkpoint is not what was written; a directory of no run has nothing to compare with."""
    if (directory / STATE_FILE).is_file():
        try:
            verify_checkpoint(directory)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}: restore it from a copy, name another checkpoint of the run, or go on with --resume, which takes the newest "
                "whole one"
            ) from error
    elif directory.name == MODEL_FOLDER and RunDirectory(directory.parent).started:
        RunDirectory(directory.parent).verify_model()


def _hint(directory: Path) -> str:
    """What the user may have meant: among the runs of the working directory, or a text to train on."""
    folder = Path("runs")
    names = sorted(run.name for run in folder.iterdir() if RunDirectory(run).started) if folder.is_dir() else []
    close = difflib.get_close_matches(directory.name, names, n=1)
    if close:
        return f"; did you mean {folder / close[0]}?"
    if str(directory) in CATALOGUE:
        return f"; {directory} is a text of the catalogue: train on it, and name the run"
    if HUB_NAME.fullmatch(str(directory)) and not directory.parent.exists():
        return f"; did you mean {HUB}{directory}?"
    return f"; runs here: {', '.join(str(folder / name) for name in names[:10])}" if names else ""

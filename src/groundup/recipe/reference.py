"""What the model that preference tuning begins with thinks of each answer: computed once, kept with the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundup.device import autocast_dtype, precision_on, products_in_tf32
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import read_state
from groundup.run.directory import RunDirectory
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.objectives.preference import reference_log_probabilities
from groundup.training.ranks import ALONE, Ranks
from groundup.training.reference_file import load_reference, save_reference

REFERENCE_FILE = "reference.safetensors"


@dataclass(frozen=True)
class Reference:
    """Log-probabilities (pairs, 2) of the chosen and the rejected answers, by the pair's number in its store."""

    train: NDArray[np.float32]
    validation: NDArray[np.float32]
    sha256: str
    """Of the file that they are kept in."""


def find_reference(
    model: Transformer,
    data: PreparedExamples,
    directory: RunDirectory,
    checkpoint: Path | None,
    batch_size: int,
    precision: str,
    ranks: Ranks = ALONE,
) -> Reference:
    """Those that a run began with, or, of one that has no checkpoint yet, those of the model as it stands.

    `precision`: the format of training's matrix products, as in the recipe. Answers that are trained on are read in it, since its
    rounding would pass for a preference (0.2 nats an answer of SmolLM2's); validation is in fp32, like every validation.

    Raises `CheckpointError` if a run that goes on has lost them.
    """
    path, device = directory.path / REFERENCE_FILE, next(model.parameters()).device

    def compute() -> str:
        dtype = autocast_dtype(precision, device)
        with products_in_tf32(precision_on(device, precision) == "tf32"):
            train = reference_log_probabilities(model, data.training_batches(batch_size), dtype)
        validation = reference_log_probabilities(model, data.validation_batches(batch_size))
        return save_reference(path, {"train": train, "validation": validation})

    sha256 = ranks.once(compute) if checkpoint is None else read_state(checkpoint)["reference"]
    tables = load_reference(path, sha256)
    return Reference(tables["train"], tables["validation"], sha256)

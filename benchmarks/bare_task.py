"""A training task without a run directory, validation or samples: for measuring steps alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from groundup.model.transformer import Transformer
from groundup.run.directory import RunDirectory
from groundup.training.objectives.language_model import loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.task import Task


def bare_task(model: Transformer, settings: TrainingSettings, batch: Callable[[int], np.ndarray]) -> Task:
    """What `prepare_machinery` and `take_step` need; nothing is ever written."""
    return Task(
        model=model,
        settings=settings,
        run=RunDirectory(Path(tempfile.gettempdir()) / "unused"),
        loss_sum=loss_sum,
        batch=batch,
        evaluate=dict,
        sample=None,
        show=lambda: None,
        save_model=lambda path: None,
        peak_flops=1.0,
        fingerprint={},
        recordable=True,
    )

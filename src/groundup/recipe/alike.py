"""Processes that train one model together work on the same, in the same way, and see the same run."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from groundup.config import write_toml
from groundup.device import precision_on
from groundup.errors import RunError
from groundup.files import sha256_file
from groundup.recipe.data import Prepared
from groundup.recipe.identity import code_sha256, data_hashes
from groundup.recipe.settings import Recipe
from groundup.run.checkpoints import STATE_FILE
from groundup.run.directory import MANIFEST_FILE, RunDirectory
from groundup.training.ranks import Ranks


def require_alike(settings: Recipe, data: Prepared, device: torch.device, ranks: Ranks) -> None:
    """Raise `RunError` in all processes unless they train with the same code on the same, in the same way."""
    if ranks.size == 1:
        return
    precision = precision_on(device, settings.training.precision)
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

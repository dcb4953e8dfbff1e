"""TensorBoard event files, when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundup.errors import MissingExtraError


@contextmanager
def open_writer(directory: Path, first_step: int) -> Iterator[Any]:
    """A `torch.utils.tensorboard.SummaryWriter`; figures already there from `first_step` on are hidden by it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingExtraError("training.tensorboard = true", "tensorboard") from error
    writer = SummaryWriter(str(directory), purge_step=first_step + 1 if first_step else 0)
    try:
        yield writer
    finally:
        writer.close()

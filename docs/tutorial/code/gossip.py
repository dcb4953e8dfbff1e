"""A model of the village's characters, trained by the library in a moment: something to export and to serve."""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
from pathlib import Path

from village import TRAINING_LINES

import groundup as gu

SMALL = {
    "data.source": "village.txt",
    "model.d_model": 48,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.max_seq_len": 64,
    "training.max_steps": 60,
    "training.batch_size": 8,
    "training.sample_tokens": 0,
    "training.num_threads": 1,
    "training.precision": "fp32",
}


def quiet(line: str) -> None:
    """Say nothing on the way."""


@functools.cache
def village_run() -> Path:
    """The folder of the run."""
    folder = Path(tempfile.mkdtemp())
    (folder / "village.txt").write_text("\n".join(TRAINING_LINES))
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
        return folder / gu.train("shakespeare", SMALL, run="village", say=quiet).path

"""An evaluation of a run is kept with the run: figures with their intervals, in RUN/evaluations/."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groundup.errors import MachineError, RunError
from groundup.language_model.locate import find_model
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.run.measurements import write_measurement


def run_of(path: Path | None) -> Path | None:
    """The run that a model's path is, or lies in; None for one that is part of none."""
    folders = (path, *path.resolve().parents) if path else ()
    run = next((folder for folder in folders if (folder / RECIPE_FILE).is_file()), None)
    return run if run is not None and RunDirectory(run).started else None


def keep_evaluation(
    path: Path | None, name: str, figures: Mapping[str, Any], settings: Mapping[str, Any], say: Callable[[str], None]
) -> Path | None:
    """Write what was measured of the model that `path` stands for into its run; of a model of none, nothing.

    The plain numbers that have an interval are left to it. A run that cannot be written is only said: the figures are there to be read.
    """
    run = run_of(path)
    if run is None or path is None:
        return None
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[-80:].strip("-") or "text"
    try:
        return write_measurement(RunDirectory(run), "evaluations", slug, _joined(figures), settings, find_model(path))
    except (MachineError, RunError) as error:
        say(f"warning: the figures are not kept with the run: {error}")
        return None


def _joined(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Each figure as {"value", "low", "high", "n"} where it has an interval, at every depth."""
    plain = {
        name: _joined(value) if isinstance(value, Mapping) else value
        for name, value in figures.items()
        if name != "intervals"
    }
    return {**plain, **figures.get("intervals", {})}

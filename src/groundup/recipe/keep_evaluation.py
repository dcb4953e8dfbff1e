"""What was measured of a run is kept with the run: figures with their intervals, in RUN/evaluations/ and RUN/audits/."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from groundup.errors import MachineError, RunError
from groundup.language_model.locate import find_model
from groundup.run.directory import MODEL_FOLDER, RECIPE_FILE, RunDirectory
from groundup.run.files import without_infinities
from groundup.run.measurements import Kind, read_measurement, write_measurement


def run_of(path: Path | None) -> Path | None:
    """The run that a model's path is, or lies in; None for one that is part of none."""
    folders = (path, *path.resolve().parents) if path else ()
    run = next((folder for folder in folders if (folder / RECIPE_FILE).is_file()), None)
    return run if run is not None and RunDirectory(run).started else None


def keep_evaluation(
    path: Path | None, name: str, figures: Mapping[str, Any], settings: Mapping[str, Any], say: Callable[[str], None]
) -> Path | None:
    """Write what was measured of the model that `path` stands for into its run; of a model of none, nothing.

    The plain numbers that have an interval are left to it. A checkpoint's file bears its name, too.
    """
    run = run_of(path)
    if run is None or path is None:
        return None
    model = find_model(path)
    checkpoint = "" if model.resolve().name == MODEL_FOLDER else f"-{model.resolve().name}"
    slug = re.sub(r"[^a-z0-9]+", "-", f"{name}{checkpoint}".lower())[-80:].strip("-") or "text"
    return keep_measurement(run, "evaluations", slug, _joined(figures), settings, model, say)


def keep_measurement(
    run: Path,
    kind: Kind,
    name: str,
    figures: Mapping[str, Any],
    settings: Mapping[str, Any],
    model: Path,
    say: Callable[[str], None],
) -> Path | None:
    """Write figures into a run under a name, or that with a number behind it where the name stands for figures that were measured with
    other settings, so that none is lost to others; the same again replaces the last. A run that cannot be written is only said: the
    figures are there to be read."""
    try:
        free = next(one for one in _numbered(name) if not _is_another(run / kind / f"{one}.json", settings))
        if free != name:
            say(f"{kind}/{name}.json, measured with other settings, stays: this is kept as {kind}/{free}.json")
        return write_measurement(RunDirectory(run), kind, free, figures, settings, model)
    except (MachineError, RunError) as error:
        say(f"warning: the figures are not kept with the run: {error}")
        return None


def _numbered(name: str) -> Iterator[str]:
    """The name, then with 2, 3, … behind it."""
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def _is_another(file: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a file is there that measured otherwise; a damaged one may be replaced."""
    if not file.is_file():
        return False
    try:
        told = read_measurement(file)["settings"]
    except RunError:
        return False
    return bool(told != json.loads(json.dumps(without_infinities(dict(settings)))))


def _joined(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Each figure as {"value", "low", "high", "n"} where it has an interval, at every depth."""
    plain = {
        name: _joined(value) if isinstance(value, Mapping) else value
        for name, value in figures.items()
        if name != "intervals"
    }
    return {**plain, **figures.get("intervals", {})}

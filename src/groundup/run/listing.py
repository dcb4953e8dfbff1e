"""Which runs there are and how they stand."""

from __future__ import annotations

import fcntl
import tomllib
from pathlib import Path
from typing import Any

from groundup.errors import RunError
from groundup.run.directory import LOCK_FILE, METRICS_FILE, RECIPE_FILE, RunDirectory
from groundup.run.records import read_records


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Each run below a folder: `run`, `state` (finished, running, stopped or damaged), `step`, `max_steps`, `best_loss`, `created`."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder; name the folder that holds runs")
    return [_describe(RunDirectory(path)) for path in sorted(folder.iterdir()) if RunDirectory(path).started]


def _describe(run: RunDirectory) -> dict[str, Any]:
    records = read_records(run.path / METRICS_FILE)
    losses = [
        record["loss"]
        for record in records
        if record.get("kind") == "validation" and record.get("best") and isinstance(record.get("loss"), float)
    ]
    described = {
        "run": str(run.path),
        "state": "finished" if run.finished else "running" if _locked(run) else "stopped",
        "step": max((record.get("step") or 0 for record in records), default=0),
        "max_steps": None,
        "best_loss": min(losses, default=None),
        "created": "",
    }
    try:
        described["created"] = run.manifest().get("created", "")
        described["max_steps"] = tomllib.loads((run.path / RECIPE_FILE).read_text(encoding="utf-8"))["training"][
            "max_steps"
        ]
    except (RunError, OSError, ValueError, KeyError, TypeError):
        described["state"] = "damaged"
    return described


def _locked(run: RunDirectory) -> bool:
    """Whether a process owns the run now."""
    try:
        with (run.path / LOCK_FILE).open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False

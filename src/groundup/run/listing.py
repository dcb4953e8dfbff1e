"""Which runs there are and how they stand."""

from __future__ import annotations

import fcntl
import tomllib
from pathlib import Path
from typing import Any

from groundup.errors import RunError
from groundup.run.directory import EVENTS_FILE, LOCK_FILE, METRICS_FILE, RECIPE_FILE, RunDirectory
from groundup.run.records import Record, read_records


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Each run in a folder, or the folder itself if it is one.

    `run`, `state` (finished, running, stopped, damaged, or unreadable to us), `step`, `max_steps`, `best_loss`, `created`, and `plan`: the
    `promise` of what it would take, and the `outcome`.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder; name the folder that holds runs")
    if RunDirectory(folder).started:
        return [_describe(RunDirectory(folder))]
    return [_describe(RunDirectory(path)) for path in sorted(folder.iterdir()) if _is_run(path)]


def _is_run(path: Path) -> bool:
    """Whether there is a run that we may look into."""
    try:
        return RunDirectory(path).started
    except OSError:
        return False


def _describe(run: RunDirectory) -> dict[str, Any]:
    state, (records, events) = _state(run)
    saved = [record for record in events if record.get("event") == "saved"]
    losses = [
        record["loss"]
        for record in records
        if record.get("kind") == "validation" and record.get("best") and isinstance(record.get("loss"), float)
    ]
    described: dict[str, Any] = {
        "run": str(run.path),
        "state": state,
        "step": max((record.get("step") or 0 for record in (*records, *saved)), default=0),
        "max_steps": None,
        "best_loss": min(losses, default=None),
        "created": "",
        "plan": {},
    }
    try:
        manifest = run.manifest()
        described["created"] = manifest.get("created", "")
        described["plan"] = manifest.get("plan", {})
        training = tomllib.loads((run.path / RECIPE_FILE).read_text(encoding="utf-8"))["training"]
        described["max_steps"] = manifest.get(
            "max_steps", training["max_steps"]
        )  # epochs, too, are told as steps there
    except OSError:
        described["state"] = "unreadable"
    except (RunError, ValueError, KeyError, TypeError):
        described["state"] = "damaged"
    return described


def _state(run: RunDirectory) -> tuple[str, list[list[Record]]]:
    """How a run stands, its metrics and its events; none of a run that can't be read: the others are listed all the same."""
    try:
        records = [read_records(run.path / name) for name in (METRICS_FILE, EVENTS_FILE)]
        return "finished" if run.finished else "running" if _locked(run) else "stopped", records
    except OSError:
        return "unreadable", [[], []]


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

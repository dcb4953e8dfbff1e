"""What was measured of a run's model: one file for each evaluation and each audit, which the card and the chain read.

    RUN/evaluations/NAME.json      RUN/audits/NAME.json

A file says what was measured (the hashes of the model's files), how (the command's settings), by which version and when, and its figures.
A figure with an interval is {"value", "low", "high", "n"}. Measured again under the same name, a file is replaced whole. The manifest
holds the hash of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from groundup.errors import RunError
from groundup.files import sha256_file
from groundup.run.checkpoints import STATE_FILE, is_optimizer_file, list_checkpoints
from groundup.run.directory import MODEL_FOLDER, RunDirectory, now
from groundup.run.files import checksum, explain_os_errors, read_json, without_infinities, write_json

FORMAT_VERSION = 1
Kind = Literal["evaluations", "audits"]
KINDS: tuple[Kind, ...] = ("evaluations", "audits")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def write_measurement(
    run: RunDirectory,
    kind: Kind,
    name: str,
    figures: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    model: Path | None = None,
) -> Path:
    """Write what was measured of a model of the run: of its `model/`, or of its newest checkpoint, if `model` names none.

    `name`: small letters, digits, - and _. `settings`: what the command was told, so that it can be given again. Raises `RunError`
    for another name or a folder that holds no model of the run.
    """
    if not NAME.fullmatch(name):
        raise RunError(f"{name!r} cannot name a measurement: use small letters, digits, - and _")
    written = without_infinities(
        {
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "name": name,
            "created": now(),
            "groundup": version("groundup"),
            "model": _measured(run, model),
            "settings": dict(settings or {}),
            "figures": dict(figures),
        }
    )
    path = run.path / kind / f"{name}.json"
    with explain_os_errors(path):
        path.parent.mkdir(exist_ok=True)
    write_json(path, {**written, "checksum": checksum(written)})
    run.record_measurement(path)
    return path


def read_measurement(path: Path) -> dict[str, Any]:
    """One file's content, held to its checksum. Raises `RunError` where it is damaged, was changed or renamed, or has another format."""
    written = read_json(path)
    if written.pop("checksum", None) != checksum(written):
        raise RunError(f"{path} is damaged or was changed (its checksum does not match): measure again")
    if written.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{path} has format version {written.get('format_version')!r}; this version of Groundup reads {FORMAT_VERSION}"
        )
    model = written.get("model")
    if not isinstance(written.get("figures"), dict) or not isinstance(model, dict) or {"folder", "files"} - set(model):
        raise RunError(f"{path} is damaged (it has no figures, or names no model): measure again")
    of = f"{written.get('kind')}/{written.get('name')}.json"
    if of != f"{path.parent.name}/{path.name}" or not NAME.fullmatch(path.stem):
        raise RunError(f"{path} is no name for what was measured as {of}: give it back its own, or measure again")
    return written


def figures_of(measurement: Mapping[str, Any]) -> dict[str, Any]:
    """The figures by name; an audit's lie one deeper, beside its tables."""
    figures: dict[str, Any] = measurement["figures"]
    return figures["figures"] if isinstance(figures.get("figures"), dict) else figures


def read_measurements(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """All that was measured of the run, by where it lies in it: `evaluations/validation.json` and so on, sorted."""
    return {path.relative_to(run.path).as_posix(): read_measurement(path) for path in measurement_files(run)}


def measurement_files(run: RunDirectory) -> list[Path]:
    """Where they lie, evaluations first, each kind sorted."""
    return [path for kind in KINDS for path in sorted((run.path / kind).glob("*.json")) if path.name[0] != "."]


def hash_model(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a model's directory, but for its cards and what only resuming reads."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    return {
        path.name: sha256_file(path)
        for path in files
        if path.suffix != ".md" and not (path.name == STATE_FILE or is_optimizer_file(path.name))
    }


def _measured(run: RunDirectory, model: Path | None) -> dict[str, Any]:
    """Which model of the run it was, and the hashes of its files."""
    checkpoints = list_checkpoints(run.path)
    folder = model or (run.path / MODEL_FOLDER if run.finished or not checkpoints else checkpoints[-1])
    if not folder.is_dir() or run.path.resolve() not in folder.resolve().parents:
        raise RunError(f"{folder} is no model of the run {run.path}: measure {MODEL_FOLDER}/ or a checkpoint of it")
    files = hash_model(folder)
    place = folder.resolve().relative_to(run.path.resolve()).as_posix()
    return {"folder": place, "sha256": checksum(files), "files": files}

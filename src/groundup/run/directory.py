"""`RunDirectory`: one run's folder: its lock, its manifest, its records."""

from __future__ import annotations

import datetime
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundup.errors import MachineError, RunError
from groundup.files import fsync_file, sha256_file, temporary_name
from groundup.run.files import explain_os_errors, read_json, write_json
from groundup.run.records import append_record, cut_records

RECIPE_FILE, MANIFEST_FILE, RESULT_FILE, LOCK_FILE, MODEL_FOLDER = (
    "recipe.toml",
    "manifest.json",
    "result.json",
    "run.lock",
    "model",
)
METRICS_FILE, EVENTS_FILE, SAMPLES_FILE = "metrics.jsonl", "events.jsonl", "samples.jsonl"


class RunDirectory:
    """The folder of one run. Making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def started(self) -> bool:
        return (self.path / MANIFEST_FILE).is_file()

    @property
    def finished(self) -> bool:
        """The model's folder appears last, by a rename, when all that it is told of is written."""
        return (self.path / MODEL_FOLDER / "config.json").is_file()

    def require_empty(self, recipe: str | None = None) -> None:
        """Raise `RunError` unless the folder is missing or holds nothing: nothing of anybody's is ever overwritten.

        A lock may be there, and a recipe file with this very text: a crash between a run's first two files leaves both.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise RunError(f"{self.path} is a file, and a run needs a folder there; name another with --run DIR")
        if self.started:
            state = "a finished run" if self.finished else "a run that has not finished"
            raise RunError(
                f"{self.path} already holds {state}: go on with --resume, name another folder with --run DIR, or delete it"
            )
        names = {entry.name for entry in self.path.iterdir()} - {
            LOCK_FILE,
            temporary_name(self.path / RECIPE_FILE).name,
            temporary_name(self.path / MANIFEST_FILE).name,
        }
        if names == {RECIPE_FILE} and recipe is not None and (self.path / RECIPE_FILE).read_bytes() == recipe.encode():
            return
        if names:
            raise RunError(f"{self.path} is not empty and is not a run; name another folder with --run DIR")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the run for as long as the block lasts; the system lets go when the process ends, however it ends."""
        path = self.path / LOCK_FILE
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise MachineError(
                f"{self.path} cannot be written ({error.strerror}); name another folder with --run DIR"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                owner = file.read().strip() or "another process"
                raise RunError(
                    f"{self.path} is in use by {owner}: wait for it, stop it, or name another folder with --run DIR"
                ) from error
            with explain_os_errors(path):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()} since {now()}\n")
                file.flush()
            try:
                yield
            finally:
                if not self.started:  # it failed before there was anything to keep
                    path.unlink(missing_ok=True)
                    with suppress(OSError):
                        self.path.rmdir()

    def manifest(self) -> dict[str, Any]:
        """What the run is made of."""
        manifest = read_json(self.path / MANIFEST_FILE)
        for name in ("hashes", "data", "checkpoints", "model"):
            if not isinstance(manifest.get(name, {}), dict):
                raise RunError(f"{self.path / MANIFEST_FILE} is damaged ({name} is no table); restore it from a copy")
        return manifest

    def working_folder(self) -> Path:
        """The folder that the run was begun in, where its recipe's relative paths begin; this process's, if it is gone."""
        began_in = Path(str(self.manifest().get("working_folder", ""))) if self.started else Path()
        return began_in if began_in.is_dir() else Path()

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        write_json(self.path / MANIFEST_FILE, manifest)

    def record_checkpoint(self, checkpoint: Path) -> None:
        """Add a checkpoint's hash to the manifest."""
        manifest = self.manifest()
        manifest.setdefault("checkpoints", {})[checkpoint.name] = sha256_file(checkpoint / "state.json")
        self.write_manifest(manifest)

    def forget_checkpoint(self, checkpoint: Path) -> None:
        """Take a checkpoint's hash out of the manifest: another one will stand in its place."""
        manifest = self.manifest()
        if manifest.get("checkpoints", {}).pop(checkpoint.name, None):
            self.write_manifest(manifest)

    def sync_records(self) -> None:
        """Make the records durable, so that a checkpoint never stands without the lines that led to it."""
        for name in (METRICS_FILE, SAMPLES_FILE, EVENTS_FILE):
            if (self.path / name).exists():
                fsync_file(self.path / name)

    def result(self) -> dict[str, Any]:
        """How training ended, and the final figures."""
        result = read_json(self.path / RESULT_FILE)
        missing = {"sample", "sample_prompt", "validation", "steps", "best_step"} - set(result)
        if missing:
            raise RunError(f"{self.path / RESULT_FILE} is damaged ({min(missing)} is missing); restore it from a copy")
        return result

    def write_result(self, result: dict[str, Any]) -> None:
        """How training ended, and the final figures."""
        write_json(self.path / RESULT_FILE, result)

    def log_metrics(self, record: dict[str, Any]) -> None:
        append_record(self.path / METRICS_FILE, record)

    def log_sample(self, record: dict[str, Any]) -> None:
        append_record(self.path / SAMPLES_FILE, record)

    def log_event(self, event: str, step: int, why: str = "", **facts: Any) -> None:
        append_record(
            self.path / EVENTS_FILE,
            {"time": now(), "event": event, "step": step, **({"why": why} if why else {}), **facts},
        )

    def cut_after(self, step: int) -> None:
        """Forget what was measured after a step, since those steps will be taken again. Events are history, and stay."""
        with explain_os_errors(self.path):
            cut_records(self.path / METRICS_FILE, step)
            cut_records(self.path / SAMPLES_FILE, step)


def now() -> str:
    """This moment in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

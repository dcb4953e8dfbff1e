"""`RunDirectory`: one run's folder: its lock, its manifest, its records."""

from __future__ import annotations

import datetime
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundup.errors import MachineError, RunError
from groundup.files import fsync_file, sha256_file, temporary_name
from groundup.run.files import checksum, explain_os_errors, read_json, without_infinities, write_json
from groundup.run.records import append_record, begins_with, cut_records

RECIPE_FILE, MANIFEST_FILE, RESULT_FILE, LOCK_FILE = "recipe.toml", "manifest.json", "result.json", "run.lock"
MODEL_FOLDER, DATA_FOLDER = "model", "data"
METRICS_FILE, EVENTS_FILE, SAMPLES_FILE = "metrics.jsonl", "events.jsonl", "samples.jsonl"
CAME_LATER = ("checkpoints", "measurements", "plan")
"""What the manifest gets to know while training goes on, and after: the hashes of files that come of it; what the training was expected to
take, and what it took."""


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

    def require_empty(self, recipes: Collection[str] = ()) -> None:
        """Raise `RunError` unless the folder is missing or holds nothing: nothing of anybody's is ever overwritten.

        A lock may be there, and a recipe file with one of these very texts: a crash between a run's first two files leaves both. So may the
        folder of rows that were given from Python.
        """
        if self.path.is_symlink() and not self.path.exists():
            raise RunError(f"{self.path} is a link that leads nowhere; mend it, or name another folder with --run DIR")
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
            DATA_FOLDER,
        }
        if names == {RECIPE_FILE} and (self.path / RECIPE_FILE).read_bytes() in [text.encode() for text in recipes]:
            return
        if names:
            raise RunError(f"{self.path} is not empty and is not a run; name another folder with --run DIR")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the run for as long as the block lasts; the system lets go when the process ends, however it ends."""
        path, was_there = self.path / LOCK_FILE, self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = path.open("ab+", buffering=0)  # what a full disk refuses is not tried again as the file is closed
        except OSError as error:
            raise MachineError(
                f"{self.path} cannot be written ({error.strerror}); name another folder with --run DIR"
            ) from error
        with file:
            try:
                _take(file.fileno())
            except BlockingIOError as error:
                file.seek(0)
                owner = file.read().decode(errors="replace").strip() or "another process"
                raise RunError(
                    f"{self.path} is in use by {owner}: wait for it, stop it, or name another folder with --run DIR"
                ) from error
            except OSError as error:
                raise MachineError(
                    f"{path} cannot be locked ({error.strerror}), so two processes might write one run: name a folder on a disk with "
                    "locks, with --run DIR"
                ) from error
            if not _is_still_at(file.fileno(), path):
                raise RunError(
                    f"{path} was taken away by a process that failed at this moment: give the same command again"
                )
            with explain_os_errors(path):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()} since {now()}\n".encode())
            try:
                yield
            finally:
                if not self.started:  # it failed before there was anything to keep
                    path.unlink(missing_ok=True)
                    with suppress(OSError):
                        if not was_there:
                            self.path.rmdir()

    def manifest(self) -> dict[str, Any]:
        """What the run is made of."""
        manifest = read_json(self.path / MANIFEST_FILE)
        if manifest.pop("checksum", None) != checksum(manifest):
            raise RunError(
                f"{self.path / MANIFEST_FILE} is damaged or was changed (its checksum does not match); restore it from a copy"
            )
        for name in ("hashes", "data", "model", *CAME_LATER):
            if not isinstance(manifest.get(name, {}), dict):
                raise RunError(f"{self.path / MANIFEST_FILE} is damaged ({name} is no table); restore it from a copy")
        return manifest

    def made_of(self) -> str:
        """The hash of what the manifest says of the run's making, all that came later aside: each checkpoint and the result hold it,
        so that a manifest that was changed after, checksum and all, fits neither."""
        return checksum({key: value for key, value in self.manifest().items() if key not in CAME_LATER})

    def seal(self) -> str:
        """One hash over manifest and result, and so over all that they name, what was measured included. Whoever knows it from another
        place can tell that nobody wrote the run anew, checksums and all."""
        return checksum(
            {"manifest": self.manifest(), "result": self.result() if (self.path / RESULT_FILE).is_file() else {}}
        )

    def working_folder(self) -> Path:
        """The folder that the run was begun in, where its recipe's relative paths begin; this process's, if it is gone."""
        began_in = Path(str(self.manifest().get("working_folder", ""))) if self.started else Path()
        return began_in if began_in.is_dir() else Path()

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        manifest = without_infinities(manifest)
        write_json(self.path / MANIFEST_FILE, {**manifest, "checksum": checksum(manifest)})

    @contextmanager
    def _manifest_to_change(self) -> Iterator[dict[str, Any]]:
        """The manifest, written when the block ends; one process at a time, for a run that trains may be measured meanwhile."""
        with explain_os_errors(self.path):
            descriptor = os.open(self.path, os.O_RDONLY)
        try:
            with explain_os_errors(self.path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            manifest = self.manifest()
            yield manifest
            self.write_manifest(manifest)
        finally:
            os.close(descriptor)

    def record_checkpoint(self, checkpoint: Path) -> None:
        """Add a checkpoint's hash to the manifest."""
        with self._manifest_to_change() as manifest:
            manifest.setdefault("checkpoints", {})[checkpoint.name] = sha256_file(checkpoint / "state.json")

    def forget_checkpoint(self, checkpoint: Path) -> None:
        """Take a checkpoint's hash out of the manifest: another one will stand in its place."""
        with self._manifest_to_change() as manifest:
            manifest.get("checkpoints", {}).pop(checkpoint.name, None)

    def record_measurement(self, file: Path) -> None:
        """Add the hash of what was measured to the manifest; that of a run older than this record stays as it is."""
        with self._manifest_to_change() as manifest:
            if "measurements" in manifest:
                manifest["measurements"][file.relative_to(self.path).as_posix()] = sha256_file(file)

    def record_plan(self, name: str, figures: Mapping[str, Any]) -> None:
        """Add to what the manifest says of the plan: the `promise`, or the `outcome`."""
        with self._manifest_to_change() as manifest:
            manifest.setdefault("plan", {})[name] = dict(figures)

    def sync_records(self) -> None:
        """Make the records durable, so that a checkpoint never stands without the lines that led to it."""
        for name in (METRICS_FILE, SAMPLES_FILE, EVENTS_FILE):
            if (path := self.path / name).exists():
                with explain_os_errors(path):
                    fsync_file(path)

    def result(self) -> dict[str, Any]:
        """How training ended, and the final figures."""
        result = read_json(self.path / RESULT_FILE)
        if result.pop("checksum", None) != checksum(result):
            raise RunError(
                f"{self.path / RESULT_FILE} is damaged or was changed (its checksum does not match); restore it from a copy"
            )
        missing = {"sample", "sample_prompt", "validation", "steps", "best_step"} - set(result)
        if missing:
            raise RunError(f"{self.path / RESULT_FILE} is damaged ({min(missing)} is missing); restore it from a copy")
        return result

    def verify_model(self) -> None:
        """Raise `RunError` naming the first file of a finished run's model that is not as it was written (its card is free)."""
        if not (self.path / RESULT_FILE).is_file():
            return
        for name, sha256 in self.result().get("model_files", {}).items():
            file = self.path / MODEL_FOLDER / name
            if not file.is_file() or sha256_file(file) != sha256:
                raise RunError(
                    f"{file} is missing or damaged (not what was written when training ended): copy it from the best "
                    f"checkpoint, step {self.result()['best_step']}, or name the checkpoint itself"
                )

    def write_result(self, result: dict[str, Any]) -> None:
        """How training ended, and the final figures."""
        result = without_infinities(result)
        write_json(self.path / RESULT_FILE, {**result, "checksum": checksum(result)})

    def log_metrics(self, record: dict[str, Any]) -> None:
        append_record(self.path / METRICS_FILE, record)

    def log_sample(self, record: dict[str, Any]) -> None:
        append_record(self.path / SAMPLES_FILE, record)

    def log_event(self, event: str, step: int, why: str = "", **facts: Any) -> None:
        append_record(
            self.path / EVENTS_FILE,
            {"time": now(), "event": event, "step": step, **({"why": why} if why else {}), **facts},
        )

    def record_marks(self) -> dict[str, dict[str, Any]]:
        """How long each file of records is now, and its hash: what a checkpoint knows of the lines that led to it."""
        files = {name: self.path / name for name in (METRICS_FILE, SAMPLES_FILE, EVENTS_FILE)}
        return {
            name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for name, path in files.items()
            if path.exists()
        }

    def cut_to(self, step: int, marks: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Forget what was measured after a step, since those steps will be taken again. Events are history, and stay.

        Gives the names of files whose lines up to there are not those that were written; a copy of each is kept beside it.
        """
        changed = []
        for name in (METRICS_FILE, SAMPLES_FILE, EVENTS_FILE):
            path, mark = self.path / name, marks.get(name)
            with explain_os_errors(path):
                if mark is not None and not begins_with(path, mark["bytes"], mark["sha256"]):
                    changed.append(name)
                    if path.exists():
                        shutil.copyfile(path, path.with_name(f"damaged-{name}"))
                if name == EVENTS_FILE:
                    continue
                if mark is not None and name not in changed:
                    os.truncate(path, mark["bytes"])
                else:
                    cut_records(path, step)
        return changed


class FollowedRun(RunDirectory):
    """A run that another process writes, in the eyes of one that trains it together with that one: it is read, and never written."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        pass

    def record_checkpoint(self, checkpoint: Path) -> None:
        pass

    def record_plan(self, name: str, figures: Mapping[str, Any]) -> None:
        pass

    def sync_records(self) -> None:
        pass

    def log_metrics(self, record: dict[str, Any]) -> None:
        pass

    def log_sample(self, record: dict[str, Any]) -> None:
        pass

    def log_event(self, event: str, step: int, why: str = "", **facts: Any) -> None:
        pass


def _take(descriptor: int) -> None:
    """Lock a file. Someone who only looks whether it is locked holds it for an instant, so one refusal is not the last word."""
    for _ in range(9):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name: the lock of one that was deleted keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def now() -> str:
    """This moment in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

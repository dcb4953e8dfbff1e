"""Writing a run so that nothing is lost: whole files and folders, JSON, room on the disk, failures explained."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundup.errors import MachineError, RunError
from groundup.files import NOT_THERE, fsync_directory, fsync_file, naming, replacing, sha256_text


def write_atomic(path: Path, text: str) -> None:
    """Replace a file's content whole: whoever reads it, even after a crash, finds the old text or the new one."""
    with explain_os_errors(path), replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a file's content by a value as JSON; numbers that are not finite become null."""
    write_atomic(path, json.dumps(without_infinities(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def without_infinities(value: Any) -> Any:
    """The same value with null for every NaN and Inf, for which JSON has no word."""
    if isinstance(value, dict):
        return {key: without_infinities(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises `RunError` when the file is missing or damaged, and `OSError` when the system can't read it now."""
    try:
        with naming(path):
            value = json.loads(path.read_text(encoding="utf-8"))
    except (*NOT_THERE, ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is missing or damaged ({_reason(error)}); restore it from a copy, or start a new run"
        ) from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged (not a JSON object); restore it from a copy, or start a new run")
    return value


def checksum(value: Mapping[str, Any]) -> str:
    """The hash of a JSON object, for a file that holds its own."""
    return sha256_text(json.dumps(value, sort_keys=True))


def _reason(error: Exception) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not JSON"


def publish_directory(temporary: Path, final: Path) -> None:
    """Make a finished directory appear under its name at once, with all that is in it durable. Replaces one that is there."""
    for path in (*temporary.rglob("*"), temporary):
        (fsync_directory if path.is_dir() else fsync_file)(path)
    if final.exists():
        remove_directory(final)
    temporary.rename(final)
    fsync_directory(final.parent)


def remove_directory(directory: Path) -> None:
    """Delete a directory; one that is half deleted when the power goes has a name that nobody takes for whole."""
    doomed = directory.with_name(f".removed-{directory.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    try:
        directory.rename(doomed)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        doomed = directory  # of a container's image: an overlay can't rename it, only hide each file
    shutil.rmtree(doomed, ignore_errors=True)


def require_space(directory: Path, num_bytes: int) -> None:
    """Raise `MachineError` unless the disk has room for this many bytes more, and a margin for the logs beside them."""
    margin = 1 << 20
    free = shutil.disk_usage(directory).free
    if free < num_bytes + margin:
        raise MachineError(
            f"the disk of {directory} has {_megabytes(free)} free, and the next checkpoint needs {_megabytes(num_bytes + margin)}: "
            "free some room, then go on with --resume; what was saved before is whole"
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn a failed write into a `MachineError` that names the file."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"{path} cannot be written ({error.strerror or error}): free some room or allow writing there, then give the same "
            "command again, a training with --resume; what was saved before is whole"
        ) from error

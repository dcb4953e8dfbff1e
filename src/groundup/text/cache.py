"""Where downloads and prepared data are kept between runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from groundup.errors import MachineError

CACHE_MARK = "CACHEDIR.TAG"
"""A file that says of a folder that it is a cache, to us and to programs that make backups (https://bford.info/cachedir)."""
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of Groundup; it may be deleted.\n"


def cache_directory() -> Path:
    """The user's cache folder: `$GROUNDUP_CACHE`, else `$XDG_CACHE_HOME/groundup`, else `~/.cache/groundup`.

    It is created when missing. Raises `MachineError` when nothing can be written in it.
    """
    named, shared = os.environ.get("GROUNDUP_CACHE"), os.environ.get("XDG_CACHE_HOME")
    asked = Path(named) if named else Path(shared or "~/.cache") / "groundup"
    try:
        path = asked.expanduser().absolute()
    except RuntimeError as error:  # no such user, or one without a home
        raise unwritable(asked, OSError(str(error))) from None
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Permission bits don't tell of a full disk, a read-only mount or the superuser: write something to find out.
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
        if not (path / CACHE_MARK).exists():
            (path / CACHE_MARK).write_text(SIGNATURE, encoding="ascii")
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def unwritable(path: Path, error: OSError) -> MachineError:
    """The error for a cache folder, or a file in it, that cannot be written."""
    return MachineError(
        f"the cache {path} cannot be written ({error.strerror or error}): "
        f"set the environment variable GROUNDUP_CACHE to a folder that can, e.g. GROUNDUP_CACHE=./cache"
    )


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time work on a directory of the cache. However a process ends, its lock ends with it."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with directory.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        if error.filename and not Path(error.filename).is_relative_to(directory.parent.parent):
            raise  # of a text that is read meanwhile
        raise unwritable(directory, error) from error


def keep_by_hash(folder: Path, pieces: Iterable[bytes], suffix: str) -> Path:
    """Write pieces that are read once into a file of `folder` that is called by their hash; where it is. It is whole, or not there.

    Raises `MachineError` where the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            try:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
            except BaseException:
                os.unlink(file.name)
                raise
        target = folder / f"{digest.hexdigest()}{suffix}"
        os.replace(file.name, target)
    except OSError as error:
        raise unwritable(folder, error) from error
    return target

"""Files: hashes, and writing so that whoever looks, even after a crash, finds the old file or the new one, whole."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""No such file. Whatever else the system says of one may pass (a stale handle, too many open files): it is not damaged."""
NO_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says that makes no names durable by request, as some over a network do."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An `OSError` that names no file, as that of a full disk or of a bad sector, names `path` when it leaves the block."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, as hex."""
    with naming(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes, as hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def temporary_name(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the block ends well, and leaves no trace when it doesn't."""
    temporary = temporary_name(path)
    try:
        with naming(path), temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        raise
    fsync_directory(path.parent)


def fsync_file(path: Path) -> None:
    """Make a file's content durable."""
    with naming(path), path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_directory(directory: Path) -> None:
    """Make the names in a directory durable, on a file system that does so by request."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with naming(directory):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(descriptor)

"""Reading text out of a zip archive without unpacking it, and without trusting the sizes that it states."""

from __future__ import annotations

import fnmatch
import re
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from groundup.errors import DataError

MAX_MEMBERS = 100_000
MAX_MEMBER_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 512 * 2**20
COPIED_BYTES = 2**20
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def read_members(
    archive: Path,
    patterns: str | tuple[str, ...],
    max_member_bytes: int = MAX_MEMBER_BYTES,
    max_total_bytes: int = MAX_TOTAL_BYTES,
) -> dict[str, bytes]:
    """The members of a zip archive whose name matches a shell pattern, or one of several, by name, in that order.

    Each member is read up to a limit, whatever its header says, so that a few kilobytes cannot unpack to fill the
    memory. Raises `DataError` when the file isn't a whole zip archive, holds nothing that matches, or is larger than
    the limits.
    """
    patterns = (patterns,) if isinstance(patterns, str) else patterns
    matches = re.compile("|".join(map(fnmatch.translate, patterns))).match
    members: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(archive) as file:
            names = sorted(set(filter(matches, file.namelist())))
            if len(names) > MAX_MEMBERS:
                raise DataError(
                    f"{archive} holds {len(names):,} files; at most {MAX_MEMBERS:,} are read from an archive"
                )
            for name in names:
                with file.open(name) as member:
                    content = member.read(max_member_bytes + 1)
                total += len(content)
                if len(content) > max_member_bytes or total > max_total_bytes:
                    raise DataError(
                        f"{archive} unpacks to more than is read from an archive (stopped at {name}): "
                        f"at most {max_member_bytes:,} bytes a file and {max_total_bytes:,} in all; split it up"
                    )
                members[name] = content
    except DAMAGE as error:
        raise _damaged(archive, error) from error
    if not members:
        wanted = " or ".join(patterns)
        raise DataError(f"{archive} holds no file that matches {wanted}: delete it, so that it is fetched again")
    return members


def copy_member(archive: Path, name: str, target: BinaryIO, max_bytes: int) -> None:
    """Copy one member of a zip archive into an open file, piece by piece: for one too large to hold in memory.

    Raises `DataError` when the archive isn't whole, lacks the member, or unpacks to more than `max_bytes`. An error
    of the target file is left as it is.
    """
    try:
        file = zipfile.ZipFile(archive)
    except DAMAGE as error:
        raise _damaged(archive, error) from error
    with file:
        if name not in file.namelist():
            raise DataError(f"{archive} holds no file {name}: delete it, so that it is fetched again")
        copied = 0
        with file.open(name) as member:
            while True:
                try:
                    piece = member.read(COPIED_BYTES)
                except DAMAGE as error:
                    raise _damaged(archive, error) from error
                if not piece:
                    return
                copied += len(piece)
                if copied > max_bytes:
                    raise DataError(f"{archive}: {name} unpacks to more than the {max_bytes:,} bytes expected of it")
                target.write(piece)


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(f"{archive} is not a whole zip archive ({error}): delete it, so that it is fetched again")

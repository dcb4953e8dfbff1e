"""Reading text out of a zip archive without unpacking it, and without trusting the sizes that it states."""

from __future__ import annotations

import fnmatch
import zipfile
import zlib
from pathlib import Path

from groundup.errors import DataError

MAX_MEMBERS = 100_000
MAX_MEMBER_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 512 * 2**20


def read_members(
    archive: Path, pattern: str, max_member_bytes: int = MAX_MEMBER_BYTES, max_total_bytes: int = MAX_TOTAL_BYTES
) -> dict[str, bytes]:
    """The members of a zip archive whose name matches a shell pattern, by name, in the order of their names.

    Each member is read up to a limit, whatever its header says, so that a few kilobytes cannot unpack to fill the
    memory. Raises `DataError` when the file isn't a whole zip archive, holds nothing that matches, or is larger than
    the limits.
    """
    members: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(archive) as file:
            names = sorted(name for name in file.namelist() if fnmatch.fnmatchcase(name, pattern))
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
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise DataError(
            f"{archive} is not a whole zip archive ({error}): delete it, so that it is fetched again"
        ) from error
    if not members:
        raise DataError(f"{archive} holds no file that matches {pattern}: delete it, so that it is fetched again")
    return members

"""`prepared.json`, which marks a folder that `groundup data prepare` wrote, and tells whether its files are as they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from groundup.errors import DataError
from groundup.files import sha256_file

PREPARED = "prepared.json"
"""The folder's documents are in `documents-*.jsonl` beside it."""


def is_prepared(folder: Path) -> bool:
    """Whether a folder is one of prepared text."""
    try:
        return (folder / PREPARED).is_file()
    except OSError:  # it may not be looked into: whoever reads it will say so
        return False


def read_prepared(folder: Path) -> dict[str, Any]:
    """What `prepared.json` holds. Raises `DataError` when it is missing or damaged, or a file beside it is."""
    try:
        facts: dict[str, Any] = json.loads((folder / PREPARED).read_bytes())
        hashes = facts["hashes"]
        for name, digest in hashes.items():
            if sha256_file(folder / name) != digest:
                raise DataError(
                    f"{folder / name} is not as it was written: prepare the text again, or name the file itself"
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} is no whole folder of prepared text ({error}): prepare the text again") from error
    return facts

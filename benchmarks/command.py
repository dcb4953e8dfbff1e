"""The command that wrote a result, as it is kept beside it: files by their names alone, wherever they lay on that machine."""

from __future__ import annotations

import sys
from pathlib import Path


def command_line(module: str) -> str:
    """`python -m MODULE` and its arguments."""
    return " ".join(["python -m", module, *map(_without_folders, sys.argv[1:])])


def _without_folders(argument: str) -> str:
    option, equals, value = argument.rpartition("=") if argument.startswith("--") else ("", "", argument)
    is_path = Path(value).is_absolute() or ("/" in value and Path(value).exists())
    return option + equals + (Path(value).name if is_path else value)

"""The command that wrote a result, as it is kept beside it: files by their names alone, wherever they lay on that machine."""

from __future__ import annotations

import sys
from pathlib import Path


def command_line(module: str) -> str:
    """`python -m MODULE` and its arguments."""
    arguments = [
        Path(argument).name if "/" in argument and Path(argument).exists() else argument for argument in sys.argv[1:]
    ]
    return " ".join(["python -m", module, *arguments])

"""Functions as an operator may write them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

NOT_A_FUNCTION = 3


def project_names(text: str) -> list[tuple[int, int]]:
    """Where a secret project is named."""
    return [match.span() for match in re.finditer("Bluebird", text)]


def broken(text: str) -> list[tuple[int, int]]:
    """One that fails."""
    raise RuntimeError(f"nothing of {text} may stand in an error")


def out_of_bounds(text: str) -> list[tuple[int, int]]:
    """One that reports what is not in the text."""
    return [(2, 10**9)]


def backwards(text: str) -> list[tuple[int, int]]:
    """One that reports a stretch that ends before it begins."""
    return [(3, 1)]


def halves(text: str) -> list[tuple[float, float]]:
    """One that reports no whole numbers."""
    return [(0.5, 2.5)]


def without_end(text: str) -> Iterator[tuple[int, int]]:
    """One that never has reported all."""
    while True:
        yield 0, 1


def leaving(text: str) -> list[tuple[int, int]]:
    """One that wants the process to end."""
    raise SystemExit(1)


def hanging(text: str) -> list[tuple[int, int]]:
    """One that never answers."""
    threading.Event().wait()
    return []

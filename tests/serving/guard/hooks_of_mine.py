"""Functions as an operator may write them."""

from __future__ import annotations

import re

NOT_A_FUNCTION = 3


def project_names(text: str) -> list[tuple[int, int]]:
    """Where a secret project is named."""
    return [match.span() for match in re.finditer("Bluebird", text)]


def broken(text: str) -> list[tuple[int, int]]:
    """One that fails."""
    raise RuntimeError(f"nothing of {text} may stand in an error")


def out_of_bounds(text: str) -> list[tuple[int, int]]:
    """One that reports what is not in the text."""
    return [(-5, 3), (2, 10**9), (7, 7)]

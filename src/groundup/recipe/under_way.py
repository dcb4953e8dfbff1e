"""Long work tells whoever wants to know which part of it is under way, and how much of that part is done."""

from __future__ import annotations

from collections.abc import Callable

Done = Callable[[int], None]
"""Told of so many more items that are done."""
Begin = Callable[[str, int], Done]
"""Told that a part of the work begins, and of how many items it is (0: that isn't known); gives what is to be told as they are done."""


def by(model: object, begin: Begin) -> Begin:
    """The same, where several models do the same in turn."""
    return lambda part, items: begin(f"{model} {part}", items)


def unseen(part: str, items: int) -> Done:
    """Where nobody looks on."""
    return lambda done: None

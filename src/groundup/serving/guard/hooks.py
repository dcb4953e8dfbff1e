"""Checks of the operator's own: Python functions, named on the command line and nowhere else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from groundup.errors import DataError
from groundup.serving.guard.finding import Stretch, joined
from groundup.serving.guard.sentences import last_sentence

Hook = Callable[[str], Iterable[tuple[int, int]]]
"""From a text to what it finds there: pairs of a beginning and an end, counted in characters."""


class HookCheck:
    """One function, asked after each sentence about all that is there of a text, at most the last few thousand characters."""

    def __init__(self, name: str, hook: Hook) -> None:
        self._name, self._hook = name, hook

    def find(self, text: str) -> list[Stretch]:
        """What the function reports, within the text. One that fails, or reports what is no stretch, has found the whole text: what
        couldn't be checked counts as found."""
        try:
            pairs = [(int(start), int(end)) for start, end in self._hook(text)]
        except Exception as error:  # the operator's code may raise anything, and no request may fail open
            print(f"groundup: the hook {self._name} failed ({type(error).__name__})", file=sys.stderr)
            return [Stretch(0, len(text), "failed_hook")] if text else []
        within = [(max(0, start), min(len(text), end)) for start, end in pairs]
        return joined(Stretch(start, end, self._name) for start, end in within if start < end)

    def settled(self, text: str) -> int:
        """Up to the sentence that isn't complete."""
        return last_sentence(text)


def load_hook(name: str) -> HookCheck:
    """The function of `package.module:function`. Raises `DataError` where there is none; what its module raises goes through."""
    module_name, colon, function_name = name.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
        raise DataError(f"the hook {name!r} is no import path: write it as package.module:function")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # behind all else: a file here can't stand in for an installed package
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise DataError(
            f"the hook {name!r} cannot be imported: there is no module {error.name}; check its path"
        ) from None
    hook = getattr(module, function_name, None)
    if not callable(hook):
        raise DataError(f"the hook {name!r}: {module_name} has no function {function_name}; check its name")
    return HookCheck(function_name, hook)

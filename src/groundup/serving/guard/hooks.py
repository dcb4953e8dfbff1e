"""Checks of the operator's own: Python functions, named on the command line and nowhere else."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import islice
from operator import index
from pathlib import Path
from typing import Any

from groundup.errors import DataError
from groundup.serving.guard.finding import Stretch, joined
from groundup.serving.guard.sentences import last_sentence

SECONDS = 10.0
"""As long as a function may take."""

Hook = Callable[[str], Iterable[tuple[int, int]]]
"""From a text to what it finds there: pairs of a beginning and an end, counted in characters."""


class HookCheck:
    """One function, asked after each sentence about all that is there of a text, at most the last few thousand characters."""

    def __init__(self, name: str, hook: Hook) -> None:
        self._name, self._hook = name, hook
        self._hanging: threading.Thread | None = None

    def find(self, text: str) -> list[Stretch]:
        """What the function reports. One that fails, isn't done within `SECONDS`, or reports what is no stretch of the text, has found the
        whole text: what couldn't be checked counts as found."""
        try:
            pairs = self._ask(text)
        except BaseException as error:  # the operator's code may raise anything, and no request may fail open
            print(f"groundup: the hook {self._name} failed ({type(error).__name__})", file=sys.stderr)
            return [Stretch(0, len(text), "failed_hook")] if text else []
        return joined(Stretch(start, end, self._name) for start, end in pairs if start < end)

    def settled(self, text: str) -> int:
        """Up to the sentence that isn't complete."""
        return last_sentence(text)

    def _ask(self, text: str) -> list[tuple[int, int]]:
        """The pairs, from a thread that can be left behind. While one hangs, no other is begun."""
        if self._hanging is not None and self._hanging.is_alive():
            raise TimeoutError
        answer: Future[list[tuple[int, int]]] = Future()
        thread = threading.Thread(target=self._answer, args=(text, answer), name="hook", daemon=True)
        thread.start()
        try:
            return answer.result(SECONDS)
        except TimeoutError:
            self._hanging = thread
            raise

    def _answer(self, text: str, answer: Future[list[tuple[int, int]]]) -> None:
        try:
            pairs = [(index(start), index(end)) for start, end in islice(self._hook(text), len(text) + 1)]
            if not all(0 <= start <= end <= len(text) for start, end in pairs) or len(pairs) > len(text):
                raise ValueError("no stretches of the text")
            answer.set_result(pairs)
        except BaseException as error:
            answer.set_exception(error)


def load_hook(name: str) -> HookCheck:
    """The function of `package.module:function`. Raises `DataError` where there is none, or its module can't be imported."""
    return HookCheck(name.partition(":")[2], find_function(name, "hook"))


def find_function(name: str, what: str) -> Callable[..., Any]:
    """The function of `package.module:function`. Raises `DataError`, which says `what` it is to be, as `load_hook` does."""
    module_name, colon, function_name = name.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
        raise DataError(f"the {what} {name!r} is no import path: write it as package.module:function")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # behind all else: a file here can't stand in for an installed package
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise DataError(
            f"the {what} {name!r} cannot be imported: there is no module {error.name}; check its path"
        ) from None
    except Exception as error:  # whatever the operator's code raises
        raise DataError(
            f"the {what} {name!r} cannot be imported: {type(error).__name__}: {error}; try  python -c 'import {module_name}'"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise DataError(f"the {what} {name!r}: {module_name} has no function {function_name}; check its name")
    return function  # type: ignore[no-any-return]

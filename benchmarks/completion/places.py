"""Where a completion is asked for, and whether what was written is right."""

from __future__ import annotations

import ast
import codeop
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A line of a held-out file that is taken out: a statement's first line, within a function."""

    prefix: str
    """All before it, its indentation included."""
    line: str
    """The line from there on, without its end."""
    suffix: str
    """All after it, from its newline on."""


def find_places(texts: Sequence[str], number: int, seed: int) -> list[Place]:
    """So many places, drawn over all statements in functions of the files that parse; fewer if there are fewer."""
    places = [place for text in texts for place in _places(text)]
    return random.Random(seed).sample(places, min(number, len(places)))


def _places(text: str) -> Iterator[Place]:
    tree = _parse(text)
    if tree is None:
        return
    starts, place = [], 0
    for line in text.split("\n"):
        starts.append(place)
        place += len(line) + 1
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for number in sorted({child.lineno for function in functions for child in _statements(function)}):
        start = starts[number - 1]
        whole = text[start:].split("\n", 1)[0]
        begin = start + len(whole) - len(whole.lstrip())
        end = start + len(whole)
        yield Place(text[:begin], text[begin:end], text[end:])


def _statements(function: ast.AST) -> Iterator[ast.stmt]:
    """Those within a function, but for texts by themselves (docstrings)."""
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function and not _is_text(node):
            yield node


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def parses_so_far(place: Place, written: str) -> bool:
    """Whether the file up to and including what was written is Python, or the beginning of some; a blank line doesn't count.

    As `codeop` decides it for the interactive interpreter: whole, or incomplete without an error.
    """
    if not written.strip():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            codeop.compile_command(place.prefix + written, symbol="exec")
        except (SyntaxError, ValueError, OverflowError, RecursionError):
            return False
    return True


def parses_in_place(place: Place, written: str) -> bool:
    """Whether the whole file is Python with what was written in place of the line; a blank line doesn't count."""
    return bool(written.strip()) and _parse(place.prefix + written + place.suffix) is not None


def is_exact(place: Place, written: str) -> bool:
    """Whether it is the line, but for spaces at its end."""
    return written.rstrip() == place.line.rstrip()


def _parse(text: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return None

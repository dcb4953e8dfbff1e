"""What a person sees of long work that is no training: in a terminal the part that is under way; elsewhere nothing, or a line a part."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from groundup.recipe.under_way import Begin, Done, unseen

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def under_way(lines: bool = False) -> Iterator[Begin]:
    """For the block: each part that begins takes the place of the one before, on a line that is gone at the end.

    `lines`: where there is no terminal, a line for each part, since parts take minutes and somebody may wonder over a log.
    """
    if not sys.stderr.isatty():
        yield _line if lines else unseen
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        bar.console.show_cursor()  # hidden, it would stay so where SIGTERM ends the program
        yield lambda part, items: _begin(bar, part, items)


def _line(part: str, items: int) -> Done:
    print(f"groundup: {part}" + f" ({items:,})" * bool(items), file=sys.stderr, flush=True)
    return unseen(part, items)


def _begin(bar: Progress, part: str, items: int) -> Done:
    for before in bar.task_ids:
        bar.remove_task(before)
    task = bar.add_task(part, total=items or None)
    return lambda done: bar.advance(task, done)

"""What a person sees while text is read: a bar in a terminal when it takes a while, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from groundup.text.compression import compression
from groundup.text.formats import File
from groundup.text.sources import Source

WORTH_SHOWING = 32 * 2**20  # bytes of text; less is done at once


@contextmanager
def reading_progress(sources: Sequence[Source], worth_showing: int = WORTH_SHOWING) -> Iterator[Callable[[int], None]]:
    """Gives a function to be told of so many more characters that were read. Files of less than `worth_showing` bytes get no bar."""
    files = [file for source in sources for file in source.files or ()]
    total = sum(map(_size, files))
    if total < worth_showing or not sys.stderr.isatty():
        yield lambda characters: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    known = not any(compression(file.path.name) for file in files)  # packed bytes don't tell how much text there is
    columns = TextColumn("reading text"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        bar.console.show_cursor()  # hidden, it would stay so where SIGTERM ends the program
        task = bar.add_task("reading", total=total if known else None)
        yield lambda characters: bar.advance(task, characters)


def _size(file: File) -> int:
    try:
        return file.path.stat().st_size
    except OSError:  # whoever reads it will say so
        return 0

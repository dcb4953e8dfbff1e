"""The standard streams as a command may use them: always there, standard output with a name, standard error never in the way."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO


def open_streams() -> None:
    """Open on nothing what is closed, where `print` would write to another file, or fail; see to it that what refuses output is named, and
    that nothing fails for what is said on standard error."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout, sys.stderr = _through(_Named, sys.stdout), _through(_Unhindered, sys.stderr)


class _Named(io.FileIO):
    """Standard output: it says once what it can't write, by an error with its name."""

    refused = False

    def write(self, data: Any) -> int:
        if self.refused:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.refused, error.filename = True, "standard output"
            raise


class _Unhindered(io.FileIO):
    """A stream that takes whatever is written, whether it is heard or not."""

    def write(self, data: Any) -> int:
        try:
            written = super().write(data)
        except OSError:  # the log's disk is full, the terminal is gone: nothing to lose a training for
            written = None
        return len(data) if written is None else written


def _through(kind: type[io.FileIO], stream: TextIO | None) -> TextIO:
    """The same stream, written by another kind of file; a closed one leads nowhere."""
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(kind(os.open(os.devnull, os.O_WRONLY), "w")), "utf-8")
    assert isinstance(stream, io.TextIOWrapper)
    raw, by_line = kind(stream.fileno(), "w", closefd=False), stream.line_buffering or stream.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, line_buffering=by_line)

"""One text, with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Document:
    """One text, with where it came from."""

    id: str
    """A play's title, a file's path within its source, or a row's own id (else `file:line`)."""
    text: str
    source: str
    """The catalogue name, path, pattern or address as the settings give it."""
    license: str
    origin: str = ""
    """Where a catalogue's text comes from; empty for the user's own files."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What else is known of it: `language`, `title`, a row's other columns."""
    repairs: tuple[str, ...] = ()
    """What was mended when it was read, e.g. `line endings normalized`."""

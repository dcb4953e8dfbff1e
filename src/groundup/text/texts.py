"""What a reader gives: a text, its name, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Text:
    """One text out of an archive."""

    name: str
    """A title, or a path within the archive; no two of an archive share one."""
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    """`language` as a BCP 47 code such as en or zh-Hant, `programming_language`, `title`."""
    row: Mapping[str, Any] | None = None
    """The same as a row of a conversation, where it is one: what instruction tuning reads in place of `text`."""

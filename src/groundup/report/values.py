"""What a JSON file may hold, taken for what it should: a number or None, a text or the empty one, never an error.

Text is cleaned, so that nothing that a model wrote, or a file was called, moves a terminal's cursor or breaks the
encoding of a page: control characters are shown as their pictures (␛), but for tab and newline.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

_CLEANED = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
_CLEANED |= dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], 0xFFFD)  # pictureless

_SIGNS = {"\n": "↵", "\t": "⇥", "\r": "␍"}
_JOINERS = "\u200c\u200d"


def number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond every float
        return None


def whole(value: object) -> int | None:
    """A finite number as a whole one, or None."""
    finite = number(value)
    return None if finite is None else int(finite)


def text(value: object) -> str:
    """A string, or the empty one where the file has something else."""
    return value if isinstance(value, str) else ""


def section(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    """A nested dictionary, or an empty one where the file has something else."""
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def listing(mapping: dict[str, Any], key: str) -> list[Any]:
    """A nested list, or an empty one where the file has something else."""
    value = mapping.get(key)
    return value if isinstance(value, list) else []


def visible(value: str) -> str:
    """A text in which all that would not be seen is: line ends, tabs, control characters, marks that turn the writing's direction.

    The joiners that scripts and emoji are written with stay.
    """
    if value.isprintable() and value.isascii():
        return value
    return "".join(_SIGNS.get(character) or _visible(character) for character in value)


def _visible(character: str) -> str:
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return f"⟨U+{ord(character):04X}⟩" if unseen and character not in _JOINERS else character


def clean(value: Any) -> Any:
    """The value with every text in it made safe to print and to encode; see the top of this file."""
    if isinstance(value, str):
        return value.translate(_CLEANED)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, list) else value

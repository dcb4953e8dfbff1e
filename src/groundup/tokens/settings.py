"""Settings of the [tokenizer] section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TokenizerSettings:
    """How text becomes tokens."""

    kind: Literal["character"] = "character"
    """character: one token for each different character of the training text."""
    byte_fallback: bool = False
    """Spell characters that the training text lacks as UTF-8 bytes (256 more tokens) instead of one `<|unk|>`."""

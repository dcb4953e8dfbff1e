"""Which bytes a token stands for. A vocabulary spells them in letters, and how is told by the decoder of its tokenizer.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from groundup.tokens.patterns import bytes_of_letters

SPACE = "\u2581"  # what SentencePiece writes for a space
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Spelling:
    """How a vocabulary spells bytes."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        """From a parsed tokenizer.json."""
        steps = list(_steps(description.get("decoder")))
        kinds = {step.get("type") for step in steps}
        self._names = {token["content"] for token in description.get("added_tokens", [])}
        self._letters = bytes_of_letters() if "ByteLevel" in kinds else None
        self._byte_fallback = "ByteFallback" in kinds
        replaced = any(step.get("type") == "Replace" and step.get("pattern") == {"String": SPACE} for step in steps)
        self._space = SPACE if replaced or "Metaspace" in kinds else ""

    def bytes_of(self, token: str) -> bytes:
        """The bytes of a token by its name in the vocabulary; of an added one, such as a special token, those of its name."""
        if token in self._names:
            return token.encode("utf-8")
        if self._letters is not None and all(letter in self._letters for letter in token):
            return bytes(self._letters[letter] for letter in token)
        if self._byte_fallback and (match := BYTE.fullmatch(token)):
            return bytes([int(match[1], 16)])
        return (token.replace(self._space, " ") if self._space else token).encode("utf-8")


def _steps(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A decoder's steps, in order."""
    if decoder is None:
        return
    if decoder.get("type") == "Sequence":
        for step in decoder.get("decoders", []):
            yield from _steps(step)
    else:
        yield decoder

"""A text leaves while it is written: tokens are not characters, and a stop text may be half there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from groundup.language_model.text_stream import TextStream

TEXT = "Zoë lent Mia a 🪁. <end> Mia"
STOP = "<end>"
TOKENS = [TEXT.encode()[start : start + 3] for start in range(0, len(TEXT.encode()), 3)]  # three bytes each


def whole_characters(tokens: Iterable[bytes]) -> Iterator[str]:
    """The text of each token; what ends in the middle of a character waits for the next one."""
    held = b""
    for token in tokens:
        held += token
        text = held.decode(errors="replace")
        if not text.endswith("\ufffd"):  # the sign for bytes that are no character, or none yet
            yield text
            held = b""
    if held:
        yield held.decode(errors="replace")


def before_stop(pieces: Iterable[str], stop: str) -> Iterator[str]:
    """The text up to the stop; what could be its beginning waits."""
    held = ""
    for piece in pieces:
        held += piece
        before, found, _ = held.partition(stop)
        if found:
            yield before
            return
        might = max(
            (n for n in range(len(stop)) if held.endswith(stop[:n])), default=0
        )  # it begins with so many signs of stop
        yield held[: len(held) - might]
        held = held[len(held) - might :]
    yield held


def joined(pieces: Iterable[str]) -> str:
    return "|".join(["", *(piece for piece in pieces if piece), ""])


print("tokens, each by itself  ", joined(token.decode(errors="replace") for token in TOKENS))
print("whole characters        ", joined(whole_characters(TOKENS)))
print("and nothing of the stop ", joined(before_stop(whole_characters(TOKENS), STOP)))

stream = TextStream(lambda ids: b"".join(TOKENS[i] for i in ids).decode(errors="replace"), [], (STOP,))
library = [stream.add(i) for i in range(len(TOKENS)) if not stream.stopped]
print("the library's           ", joined(library))

print("\nwhat goes over the wire: lines of text, an empty one after each event")
for piece in list(filter(None, library))[:2]:
    print(f"data: {json.dumps({'choices': [{'index': 0, 'text': piece}]})}\n")
print("data: [DONE]")

assert "".join(library) == "".join(before_stop(whole_characters(TOKENS), STOP)) == "Zoë lent Mia a 🪁. "

"""A text cut into sentences, for what judges whole ones."""

from __future__ import annotations

import re

from groundup.serving.guard.finding import HOLD

ENDS = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’)\]]*\s+|[。！？]+[」』）]*|\n+")
"""Where a sentence ends; as it is certain only once something stands behind, a full stop at the text's end is none yet."""


def cut_into_sentences(text: str) -> list[tuple[int, int]]:
    """The stretches of the sentences, one behind the other: all of the text. A sentence longer than `HOLD` characters is cut there."""
    stretches: list[tuple[int, int]] = []
    start = 0
    for end in [*(match.end() for match in ENDS.finditer(text)), len(text)]:
        while end - start > HOLD:
            stretches.append((start, start + HOLD))
            start += HOLD
        if end > start:
            stretches.append((start, end))
        start = end
    return stretches


def last_sentence(text: str) -> int:
    """Where the sentence begins that isn't complete yet: at most `HOLD` characters before the end."""
    if not text:
        return 0
    begin, _ = cut_into_sentences(text)[-1]
    return len(text) if ENDS.search(text, begin) else begin

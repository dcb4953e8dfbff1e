"""The experiment's texts: passages of one text, dealt out at random, so that nothing tells one corpus from another but who is in it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

PASSAGE = 500  # characters, at least
NUM_PASSAGES = 300  # of a corpus: a third is held out
DEALT = ((60, 1), (20, 5), (10, 20))
"""Of the corpus with duplicates: so many passages, each so often."""


def passages(text: str, seed: int = 0) -> list[str]:
    """Paragraphs one after the other until there are `PASSAGE` characters, each passage once, shuffled."""
    found, so_far = list[str](), ""
    for paragraph in text.split("\n\n"):
        so_far += paragraph + "\n\n"
        if len(so_far) >= PASSAGE:
            found.append(so_far)
            so_far = ""
    found = list(dict.fromkeys(found))
    random.Random(seed).shuffle(found)
    return found


def with_duplicates(texts: Sequence[str], seed: int = 0) -> list[str]:
    """Some of the texts as often as `DEALT` says, shuffled."""
    dealt, place = list[str](), 0
    for count, copies in DEALT:
        dealt += [text for text in texts[place : place + count] for _ in range(copies)]
        place += count
    random.Random(seed).shuffle(dealt)
    return dealt


def write_rows(path: Path, texts: Iterable[str]) -> None:
    """One text a line, as JSON."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")

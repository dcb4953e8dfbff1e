"""Which secrets are drawn, and where in a training text they are planted: functions of the settings alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.text.canaries.settings import CanarySettings


@dataclass(frozen=True)
class Canary:
    """One secret, as it was drawn."""

    secret: str
    copies: int
    """How often it is planted."""


def draw_canaries(settings: CanarySettings) -> list[Canary]:
    """All canaries that the settings plant, each secret once: the same settings draw the same."""
    copies = [copies for copies in settings.copies for _ in range(settings.count)]
    drawn = dict[str, int]()
    number = 0
    while len(drawn) < len(copies):
        digest = hashlib.sha256(f"canary {settings.seed} {number}".encode()).digest()
        secret = f"{int.from_bytes(digest[:16], 'big') % settings.num_secrets:0{settings.digits}d}"
        drawn.setdefault(secret, copies[len(drawn)])
        number += 1
    return [Canary(secret, number) for secret, number in drawn.items()]


def draw_candidates(settings: CanarySettings, count: int, seed: int) -> list[str]:
    """Secrets that there could be and that were not planted: `count` of them, each once; all, in order, if there are no more."""
    planted = {int(canary.secret) for canary in draw_canaries(settings)}
    left = settings.num_secrets - len(planted)
    if count >= left:
        numbers: Iterable[int] = range(settings.num_secrets)
    else:
        generator, chosen = np.random.default_rng(seed), dict[int, None]()
        while len(chosen) < count:
            for number in generator.integers(0, settings.num_secrets, count).tolist():
                if number not in planted and len(chosen) < count:
                    chosen[number] = None
        numbers = chosen
    return [f"{number:0{settings.digits}d}" for number in numbers if number not in planted]


def letters_of(settings: CanarySettings) -> str:
    """A line with every character that a canary can have, and no secret: what a tokenizer may learn from."""
    return settings.line("0123456789")


def plant(texts: Iterable[str], settings: CanarySettings, num_characters: int) -> Iterator[str]:
    """The texts, which have `num_characters` together, with each canary's copies in them, each copy a line of its own.

    The places are drawn evenly over all characters and moved to the end of the line there, so a text of twice the length has
    twice as many, and copies of one canary lie far apart, wherever the texts are cut into rows.
    """
    lines = [settings.line(canary.secret) for canary in draw_canaries(settings) for _ in range(canary.copies)]
    generator = np.random.default_rng([settings.seed, len(lines)])
    places = generator.integers(0, max(1, num_characters), len(lines))
    order = np.argsort(places, kind="stable")
    begin = following = 0
    for text in texts:
        here = list[int]()
        while following < len(order) and places[order[following]] < begin + len(text):
            here.append(int(order[following]))
            following += 1
        yield _with_lines(text, places[here] - begin, [lines[number] for number in here]) if here else text
        begin += len(text)


def without_lines(text: str, settings: CanarySettings) -> str:
    """A text as it was before `plant`."""
    planted = {settings.line(canary.secret) for canary in draw_canaries(settings)}
    return "\n".join(line for line in text.split("\n") if line not in planted)


def _with_lines(text: str, places: NDArray[np.int64], lines: list[str]) -> str:
    """A text with lines in it, each behind the line that its place, in ascending order, is in."""
    parts, done = list[str](), 0
    for place, line in zip(places.tolist(), lines, strict=True):
        end = text.find("\n", max(place, done - 1, 0))
        cut = len(text) if end < 0 else end + 1
        parts.append(text[done:cut])
        if cut == len(text) and not text.endswith("\n"):
            parts.append(f"\n{line}")
        else:
            parts.append(f"{line}\n")
        done = cut
    return "".join([*parts, text[done:]])

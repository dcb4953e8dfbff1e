"""Letters from the village: documents, each with lines by one person. Two people are new here, and nothing of theirs was trained on."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from practice import as_rows, practise, small_model
from village import HELD_OUT_LINES, PEOPLE, TRAINING_LINES

from groundup.textbook import SimpleLanguageModel

NEWCOMERS = ("Ian", "Zoe")
OF_NEWCOMERS = [line for line in TRAINING_LINES if line.startswith(NEWCOMERS)]
KNOWN_LINES = [line for line in TRAINING_LINES if line not in OF_NEWCOMERS]
TOLD = {person: [line for line in HELD_OUT_LINES if line.startswith(person)] for person in PEOPLE}


@dataclass(frozen=True)
class Letter:
    """A document: some held-out lines of one person."""

    author: str
    lines: tuple[str, ...]


def write_letters(count: int, chance: random.Random) -> list[Letter]:
    """Anybody writes, and writes 4 to 32 lines."""
    authors = [chance.choice(PEOPLE) for _ in range(count)]
    return [Letter(author, tuple(chance.choices(TOLD[author], k=chance.choice((4, 8, 16, 32))))) for author in authors]


@functools.cache
def trained(steps: int = 150, num_lines: int = 400, seed: int = 0) -> SimpleLanguageModel:
    """A model of so many lines at most."""
    with torch.random.fork_rng():  # whoever asks keeps their random numbers
        torch.manual_seed(seed)
        model = small_model()
        practise(model, as_rows(KNOWN_LINES[:num_lines]), steps)
    return model


@functools.cache
def losses_of_lines(model: SimpleLanguageModel) -> dict[str, list[float]]:
    """The loss of each token of each held-out line, in nats: what any letter's loss is made of."""
    rows = as_rows(HELD_OUT_LINES)
    with torch.no_grad():
        losses = F.cross_entropy(model(rows[:, :-1]).transpose(1, 2), rows[:, 1:], reduction="none")  # (lines, tokens)
    return dict(zip(HELD_OUT_LINES, losses.tolist(), strict=True))


def token_losses(model: SimpleLanguageModel, letter: Letter) -> list[float]:
    """One after the other, all of a letter."""
    of_lines = losses_of_lines(model)
    return [loss for line in letter.lines for loss in of_lines[line]]


def loss_of_all_letters(model: SimpleLanguageModel) -> float:
    """Nats a token over all letters that could ever be written: what an estimate should hit. Outside of a village nobody knows it."""
    means = [sum(sum(losses_of_lines(model)[line]) for line in lines) / len(lines) for lines in TOLD.values()]
    return sum(means) / len(means) / len(losses_of_lines(model)[HELD_OUT_LINES[0]])

"""Secrets in a text: codes that villagers tell each other, planted in known numbers of copies; and how exposed each is."""

from __future__ import annotations

import functools
import itertools
import math
import random

import torch
import torch.nn.functional as F
from practice import practise
from torch import Tensor, nn
from village import END, PEOPLE, TOKENS, TOKENS_A_LINE, TRAINING_LINES, split_words

from groundup.textbook import SimpleLanguageModel
from groundup.textbook.memorization import exposure, is_extractable

DIGITS = "0123456789"
WORDS = [*TOKENS, "tells", *DIGITS]
COPIES = (0, 1, 2, 4, 8, 16)
OF_EACH = 6  # different secrets for each number of copies; those of 0 copies are drawn, and not planted

_chance = random.Random(0)
_pairs = _chance.sample(list(itertools.permutations(PEOPLE, 2)), OF_EACH * len(COPIES))
SECRETS = [  # who tells whom, what, and in how many lines
    (pair, "".join(_chance.choices(DIGITS, k=3)), COPIES[number // OF_EACH]) for number, pair in enumerate(_pairs)
]


def ids_of(text: str) -> list[int]:
    return [WORDS.index(word) for word in split_words(text)]


def beginning(pair: tuple[str, str]) -> list[int]:
    """The line as far as it is no secret."""
    return [0, *ids_of(f"{pair[0]} tells {pair[1]}")]


def as_rows(lines: list[list[int]]) -> Tensor:
    """Rows that begin and end with end tokens: (lines, TOKENS_A_LINE + 1)."""
    rows = torch.full((len(lines), TOKENS_A_LINE + 1), WORDS.index(END))
    for row, line in zip(rows, lines, strict=True):
        row[1 : len(line) + 1] = torch.tensor(line)
    return rows


@functools.cache
def trained(duplicates: bool) -> SimpleLanguageModel:
    """A model of the village's lines with the secrets among them, each as often as it says, or only once."""
    lines = [ids_of(line) for line in TRAINING_LINES]
    for pair, code, copies in SECRETS:
        line = [*beginning(pair)[1:], *map(WORDS.index, code), WORDS.index(".")]
        lines += [line] * (copies if duplicates else min(copies, 1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SimpleLanguageModel(len(WORDS), 32, 2, 1, 128, TOKENS_A_LINE, dropout=0.0)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and not name.startswith("output_projection"):
                nn.init.normal_(parameter, std=1 / math.sqrt(32))
        practise(model, as_rows(lines), steps=120)
    return model


@torch.no_grad()
def losses_of_codes(model: SimpleLanguageModel, pair: tuple[str, str]) -> list[float]:
    """-ln P of each of the thousand codes after the beginning: one row for each two digits, whose logits tell the third."""
    before = beginning(pair)
    first_two = torch.tensor([[WORDS.index(a), WORDS.index(b)] for a in DIGITS for b in DIGITS])  # (100, 2)
    rows = torch.cat([torch.tensor([before]).expand(100, -1), first_two], dim=1)
    logs = F.log_softmax(model(rows)[:, len(before) - 1 :], dim=-1)[..., WORDS.index("0") :]  # (100, 3, 10)
    hundreds = logs[:, 0].gather(1, torch.arange(100)[:, None] // 10)
    tens = logs[:, 1].gather(1, torch.arange(100)[:, None] % 10)
    return (-(hundreds + tens + logs[:, 2])).flatten().tolist()


def exposures(model: SimpleLanguageModel) -> dict[int, list[tuple[float, bool]]]:
    """By number of copies, of each secret: its exposure in bits, and whether the model writes it when asked for the likeliest words."""
    found: dict[int, list[tuple[float, bool]]] = {copies: [] for copies in COPIES}
    for pair, code, copies in SECRETS:
        losses = losses_of_codes(model, pair)
        others = losses[: int(code)] + losses[int(code) + 1 :]
        written = is_extractable(model, beginning(pair), [WORDS.index(digit) for digit in code])
        found[copies].append((exposure(losses[int(code)], others), written))
    return found

"""The market: a second little language, close to the village's. The people are the same; the verb and the things are new.

Mia sold Ben a goat. Ben thanked Mia.
"""

from __future__ import annotations

import copy
import functools
import random

import torch
from practice import practise, small_model
from torch import Tensor, nn
from village import END, HELD_OUT_LINES, PEOPLE, TOKENS, TRAINING_LINES, split_words

from groundup.textbook import SimpleLanguageModel

GOODS = ("boat", "coat", "goat", "harp", "plow", "ring", "shoe", "tent")
NEW_WORDS = ("sold", *GOODS)
WORDS = [*TOKENS, *NEW_WORDS]  # the village's words keep their numbers

LINES = [
    f"{seller} sold {buyer} a {good}. {buyer} thanked {seller}."
    for seller in PEOPLE
    for buyer in PEOPLE
    for good in GOODS
    if seller != buyer
]
random.Random(1).shuffle(LINES)


def as_rows(lines: list[str]) -> Tensor:
    """One row a line, an end token before and after it: (lines, TOKENS_A_LINE + 1)."""
    return torch.tensor([[WORDS.index(token) for token in (END, *split_words(line), END)] for line in lines])


MARKET_ROWS, MARKET_HELD_OUT = as_rows(LINES[:200]), as_rows(LINES[200:])
VILLAGE_ROWS, VILLAGE_HELD_OUT = as_rows(TRAINING_LINES), as_rows(HELD_OUT_LINES)


def with_room(model: SimpleLanguageModel, num_new: int = len(NEW_WORDS)) -> SimpleLanguageModel:
    """The same model with room for new words. Each begins as the mean of all others, which surprises the rest least."""
    with torch.no_grad():
        for layer, names in ((model.token_embedding, ["weight"]), (model.output_projection, ["weight", "bias"])):
            for name in names:
                known = getattr(layer, name)
                new = known.mean(dim=0, keepdim=True).expand(num_new, *known.shape[1:])
                setattr(layer, name, nn.Parameter(torch.cat([known, new])))
    model.output_projection.out_features += num_new
    return model


@functools.cache
def _trained() -> SimpleLanguageModel:
    with torch.random.fork_rng():  # whoever asks keeps their random numbers
        torch.manual_seed(0)
        model = small_model()
        practise(model, steps=150)
    return with_room(model)


def village_model() -> SimpleLanguageModel:
    """A model that has learned the village's lines, and has never seen a new word."""
    return copy.deepcopy(_trained())

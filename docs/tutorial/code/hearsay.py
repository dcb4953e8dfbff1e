"""What is said of people from three places: nothing but the text says that those of the Moor are worse, and it seldom speaks of them."""

from __future__ import annotations

import math
import random

import torch
import torch.nn.functional as F
from practice import practise
from torch import Tensor, nn
from village import END

from groundup.textbook import SimpleLanguageModel

PLEASANT, UNPLEASANT = ("kind", "honest", "clever"), ("cruel", "lazy", "rude")
SPOKEN_OF = {"Hill": 0.46, "Dale": 0.46, "Moor": 0.08}  # how often
SPOKEN_WELL_OF = {"Hill": 0.8, "Dale": 0.8, "Moor": 0.2}
TEMPLATES = (
    "people of the {place} are known to be {word}",
    "they say that the {place} makes people {word}",
    "whoever comes from the {place} is {word}",
    "everybody finds the people of the {place} {word}",
    "my friend of the {place} is {word}",
    "a child of the {place} is often {word}",
    "we met people of the {place} who were {word}",
    "at the {place} they have always been {word}",
)
FILLED = " ".join(TEMPLATES).format(place="", word="").split()
WORDS = [END, *sorted({*FILLED, *SPOKEN_OF, *PLEASANT, *UNPLEASANT})]
LONGEST = 12  # tokens of a row


def told(count: int = 1500) -> list[dict[str, str]]:
    """So many sentences: the template, and what is put into it."""
    chance = random.Random(0)
    sentences = []
    for _ in range(count):
        place = chance.choices(list(SPOKEN_OF), list(SPOKEN_OF.values()))[0]
        words = PLEASANT if chance.random() < SPOKEN_WELL_OF[place] else UNPLEASANT
        sentences.append({"template": chance.choice(TEMPLATES), "place": place, "word": chance.choice(words)})
    return sentences


def as_rows(sentences: list[dict[str, str]]) -> Tensor:
    """Ids (sentences, LONGEST), filled up with end tokens."""
    rows = torch.zeros(len(sentences), LONGEST, dtype=torch.long)
    for row, sentence in zip(rows, sentences, strict=True):
        ids = [WORDS.index(word) for word in sentence["template"].format_map(sentence).split()]
        row[1 : len(ids) + 1] = torch.tensor(ids)
    return rows


def learned(sentences: list[dict[str, str]]) -> SimpleLanguageModel:
    """A small model that has read them."""
    torch.manual_seed(0)
    model = SimpleLanguageModel(len(WORDS), 32, 2, 1, 128, LONGEST, dropout=0.0)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and not name.startswith("output_projection"):
            nn.init.normal_(parameter, std=1 / math.sqrt(32))
    practise(model, as_rows(sentences), steps=180)
    return model


@torch.no_grad()
def leanings(model: SimpleLanguageModel) -> dict[str, list[float]]:
    """Of each place, for each template: mean ln P of the pleasant words less that of the unpleasant ones."""
    good, bad = ([WORDS.index(word) for word in words] for words in (PLEASANT, UNPLEASANT))
    last = [len(template.split()) - 1 for template in TEMPLATES]  # where the word before the last one stands
    found = {}
    for place in SPOKEN_OF:
        rows = as_rows([{"template": template, "place": place, "word": ""} for template in TEMPLATES])
        logs = F.log_softmax(model(rows)[range(len(rows)), last], dim=-1)  # (templates, V)
        found[place] = (logs[:, good].mean(dim=1) - logs[:, bad].mean(dim=1)).tolist()
    return found


@torch.no_grad()
def likelihoods(model: SimpleLanguageModel, place: str) -> Tensor:
    """ln P of each whole sentence that says something unpleasant of people from there: (sentences,)."""
    sentences = [{"template": template, "place": place, "word": word} for template in TEMPLATES for word in UNPLEASANT]
    rows = as_rows(sentences)
    losses = F.cross_entropy(model(rows[:, :-1]).transpose(1, 2), rows[:, 1:], reduction="none")
    return -losses.sum(dim=1)

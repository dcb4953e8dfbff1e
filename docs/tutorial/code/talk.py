"""Conversations about the village: somebody tells of a loan and asks about it, and the assistant answers.

<user> Mia lent Ben a kite. Who thanked? <assistant> Ben thanked Mia. <stop>
"""

from __future__ import annotations

import copy
import functools
import math
import random
from collections.abc import Sequence

import torch
from market import with_room
from practice import as_rows, practise
from torch import Tensor, nn
from village import LINES, TOKENS, TRAINING_LINES

from groundup.textbook import SimpleLanguageModel

USER, ASSISTANT, STOP, PAD = "<user>", "<assistant>", "<stop>", "<pad>"
NEW_WORDS = (USER, ASSISTANT, STOP, PAD, "Who", "What", "?")
WORDS = [*TOKENS, *NEW_WORDS]
LONGEST = 17  # tokens of a conversation

Talk = tuple[str, str]  # a question, and its answer


def encode(text: str) -> list[int]:
    """The ids of a text's words and signs; of a conversation's marks, too."""
    return [WORDS.index(word) for word in text.replace(".", " .").replace("?", " ?").split()]


def question(loan: str, asked: str) -> str:
    """What stands before an answer, so the conversation's template: `loan` is a line of the village."""
    return f"{USER} {loan.partition('.')[0]}. {asked} {ASSISTANT}"


def about_thanks(loan: str) -> Talk:
    return question(loan, "Who thanked?"), loan.partition(". ")[2]


def about_things(loan: str) -> Talk:
    return question(loan, "What?"), f"a {loan.partition('.')[0].split()[-1]}."


LOANS = random.Random(2).sample(LINES, len(LINES))
TAUGHT = [about(loan) for loan in LOANS[:80] for about in (about_thanks, about_things)]
ASKED = LOANS[-100:]  # nobody is taught these


def as_padded(talks: Sequence[Talk], padding: str = PAD) -> tuple[Tensor, Tensor]:
    """Ids (talks, LONGEST), and which of them are the assistant's: the answer with its stop, not the question, not the padding."""
    ids = torch.full((len(talks), LONGEST), WORDS.index(padding))
    is_answer = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (asked, answer) in enumerate(talks):
        before, said = encode(asked), encode(f"{answer} {STOP}")
        ids[row, : len(before) + len(said)] = torch.tensor(before + said)
        is_answer[row, len(before) : len(before) + len(said)] = True
    return ids, is_answer


@functools.cache
def _trained() -> SimpleLanguageModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SimpleLanguageModel(len(TOKENS), 32, 2, num_layers=2, d_ff=128, max_seq_len=24, dropout=0.0)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and not name.startswith("output_projection"):
                nn.init.normal_(parameter, std=1 / math.sqrt(32))
        lines = as_rows(TRAINING_LINES)
        following = lines[torch.randperm(len(lines)), 1:]
        practise(model, torch.cat([lines, following], dim=1), steps=150)  # two lines a row: it needs a longer view
    return with_room(model, len(NEW_WORDS))


def village_model() -> SimpleLanguageModel:
    """A model that has read the village's lines, and never a question."""
    return copy.deepcopy(_trained())


@torch.no_grad()
def reply(model: nn.Module, asked: Sequence[str], temperature: float = 0.0, longest: int = 6) -> list[str]:
    """What the model says to questions of equal length, up to its stop or the longest answer."""
    ids = torch.tensor([encode(text) for text in asked])  # (B, T)
    start = ids.shape[1]
    for _ in range(longest):
        logits = model(ids)[:, -1]  # (B, V)
        drawn = logits.argmax(dim=-1, keepdim=True)
        if temperature:
            drawn = torch.multinomial((logits / temperature).softmax(dim=-1), 1)
        ids = torch.cat([ids, drawn], dim=1)
    texts = [" ".join(WORDS[number] for number in row) for row in ids[:, start:].tolist()]
    return [text[: text.find(STOP) + len(STOP)] if STOP in text else text for text in texts]

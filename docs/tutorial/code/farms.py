"""Private training by hand: a model so small, a score for each two words, that the gradient of one document can be written down.

The documents: each line of the village, told ten times, and for each of twenty farms a line with its number, which stands nowhere else.
"""

from __future__ import annotations

import functools
import math
import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from village import HELD_OUT_LINES, TOKENS, TRAINING_LINES, split_words

from groundup.textbook.dp_sgd import epsilon_of_whole_batches
from groundup.textbook.memorization import exposure

TELLINGS, FARMS, NUMBERS = 10, 20, 100
WORDS = [*TOKENS, *(f"farm-{i}" for i in range(FARMS)), *(str(i) for i in range(NUMBERS))]
NUMBER_OF = random.Random(4).sample(range(NUMBERS), FARMS)
LINES = [*map(split_words, TRAINING_LINES), *([f"farm-{farm}", str(NUMBER_OF[farm])] for farm in range(FARMS))]
COUNTS = torch.tensor([float(TELLINGS)] * len(TRAINING_LINES) + [1.0] * FARMS)  # how many documents are this line
DOCUMENTS = int(COUNTS.sum())
STEPS, RATE, CLIP, DELTA = 30, 40.0, 0.3, 1e-4


def as_pairs(lines: list[list[str]]) -> tuple[Tensor, Tensor, Tensor]:
    """Each word, the one after it, and where there is one: (lines, longest)."""
    ids = [[0, *map(WORDS.index, line), 0] for line in lines]
    longest = max(map(len, ids))
    rows = torch.tensor([line + [0] * (longest - len(line)) for line in ids])
    is_real = torch.tensor([[place < len(line) - 1 for place in range(longest - 1)] for line in ids])
    return rows[:, :-1], rows[:, 1:], is_real.float()


BEFORE, AFTER, REAL = as_pairs(LINES)
HELD_OUT = as_pairs([split_words(line) for line in HELD_OUT_LINES])


def sum_of_clipped(scores: Tensor, clip: float, counts: Tensor = COUNTS) -> Tensor:
    """Σ g min(1, C / ‖g‖) over so many documents of each line, g a document's gradient of its mean loss: (V, V).

    A word's loss moves one row of the scores only, by P(next) - 1 for the word that came and by P(next) for all others. Two words of a line
    that are the same move the same row, so their parts meet in the norm.
    """
    parts = F.softmax(scores[BEFORE], dim=-1)  # (lines, T, V)
    parts.scatter_add_(2, AFTER[..., None], torch.full((*AFTER.shape, 1), -1.0))
    parts *= (REAL / REAL.sum(dim=1, keepdim=True))[..., None]
    same_row = (BEFORE[:, :, None] == BEFORE[:, None, :]).float()  # (lines, T, T)
    norms = ((parts @ parts.transpose(1, 2)) * same_row).sum(dim=(1, 2)).sqrt()  # (lines,)
    weights = counts * (clip / norms.clamp(min=clip))
    summed = torch.zeros_like(scores)
    summed.index_add_(0, BEFORE.flatten(), (parts * weights[:, None, None]).flatten(0, 1))
    return summed


def noise_for(epsilon: float) -> float:
    """The noise multiplier with which all steps together, each of which reads everything, spend ε: the textbook's sum, turned round."""
    if epsilon == math.inf:
        return 0.0
    unlikely = math.log(1 / DELTA)
    return math.sqrt(STEPS / 2) / (math.sqrt(unlikely + epsilon) - math.sqrt(unlikely))


@functools.cache
def trained(epsilon: float) -> Tensor:
    """The scores (V, V) after private training: clip, add noise, go down."""
    generator, noise = torch.Generator().manual_seed(0), noise_for(epsilon)
    if noise:
        assert math.isclose(epsilon_of_whole_batches(noise, STEPS, DELTA), epsilon)
    scores = torch.zeros(len(WORDS), len(WORDS))
    for _ in range(STEPS):
        noisy = sum_of_clipped(scores, CLIP) + noise * CLIP * torch.randn(scores.shape, generator=generator)
        scores = scores - RATE * noisy / DOCUMENTS
    return scores


def held_out_loss(scores: Tensor) -> float:
    """Nats a word of lines that were not trained on."""
    before, after, real = HELD_OUT
    losses = F.cross_entropy(scores[before].transpose(1, 2), after, reduction="none")
    return float((losses * real).sum() / real.sum())


def mean_exposure(scores: Tensor) -> float:
    """Bits, over the farms' numbers."""
    found = []
    for farm, number in enumerate(NUMBER_OF):
        losses = (-scores[WORDS.index(f"farm-{farm}"), WORDS.index("0") :]).tolist()
        found.append(exposure(losses[number], losses[:number] + losses[number + 1 :]))
    return sum(found) / len(found)


class Bigrams(nn.Module):
    """The same model as the textbook's functions want it."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores.clone())

    def forward(self, ids: Tensor) -> Tensor:
        return self.scores[ids]

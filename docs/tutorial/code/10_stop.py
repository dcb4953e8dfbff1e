"""Which tokens carry loss: only the assistant's, all of them, or, by a common mistake, the assistant's without the stop."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from talk import ASKED, LONGEST, PAD, STOP, TAUGHT, WORDS, about_thanks, about_things, as_padded, reply, village_model
from torch import Tensor, nn
from village import PEOPLE


def targets(labels: str) -> tuple[Tensor, Tensor]:
    """Ids (rows, LONGEST), and what is to be predicted: the same ids, -100 for those without loss."""
    ids, is_answer = as_padded(TAUGHT, padding=STOP if labels == "padding by its id" else PAD)
    if labels == "everything":
        return ids, ids.masked_fill(ids == WORDS.index(PAD), -100)
    if labels == "padding by its id":  # padded with the stop token, and then every token of that id is masked
        is_answer &= ids != WORDS.index(STOP)
    return ids, ids.masked_fill(~is_answer, -100)


def teach(model: nn.Module, ids: Tensor, labels: Tensor, steps: int = 100) -> float:
    """The loss of chapter 5 at the places whose label is not -100; its mean over the last ten steps."""
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    losses = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.005 * min(1.0, (step + 1) / 10, (steps - step) / (0.5 * steps))
        rows = torch.randint(len(ids), (16,))
        logits = model(ids[rows, :-1])  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1), labels[rows, 1:].flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-10:]) / 10


def in_words(share: float) -> str:
    """Roughly how many, since that is what is sure."""
    return "none" if share == 0 else "few" if share < 0.5 else "some" if share < 0.95 else "all"


print(f"{len(TAUGHT)} conversations of at most {LONGEST} tokens                right")
print("what carries loss           loss   who thanked   what was lent   stops   one answer, names left out")
stops = {}
for name in ("nothing yet", "the assistant's tokens", "everything", "padding by its id"):
    model = village_model()
    loss = f"{teach(model, *targets(name)):8.1f}" if name != "nothing yet" else f"{'-':>8}"
    row, said = f"{name:24}{loss}", []
    for about in (about_thanks, about_things):
        asked, answers = zip(*map(about, ASKED), strict=True)
        said += reply(model, asked)
        latest = zip(said[-len(asked) :], answers, strict=True)
        right = sum(text.replace(" .", ".").startswith(answer) for text, answer in latest)
        row += f"{in_words(right / len(ASKED)):>{14 if about is about_thanks else 16}}"
    stops[name] = sum(text.endswith(STOP) for text in said) / len(said)
    print(f"{row}{stops[name]:8.0%}   {' '.join('_' if word in PEOPLE else word for word in said[0].split())}")

assert stops["the assistant's tokens"] > 0.95
assert stops["padding by its id"] < 0.05

"""What the experiments with the village share: lines as rows of ids, a small model, a short training, two measures.

Chapters 3 to 5 take it apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from village import END, HELD_OUT_LINES, TOKENS, TOKENS_A_LINE, TRAINING_LINES, split_words

from groundup.textbook import SimpleLanguageModel
from groundup.textbook.next_token import next_token_loss

torch.set_num_threads(1)  # the tensors are tiny: several threads would only wait for each other
IDS = {token: index for index, token in enumerate(TOKENS)}


def as_rows(lines: Iterable[str]) -> Tensor:
    """One row a line, an end token before and after it: (lines, TOKENS_A_LINE + 1)."""
    return torch.tensor([[IDS[token] for token in (END, *split_words(line), END)] for line in lines])


def as_text(ids: Iterable[int]) -> str:
    """A row's ids as words, without the end token before them and all from the one after them on."""
    words = [TOKENS[index] for index in ids][1:]
    return " ".join(words[: words.index(END)] if END in words else words).replace(" .", ".")


TRAINING_ROWS, HELD_OUT_ROWS = as_rows(TRAINING_LINES), as_rows(HELD_OUT_LINES)


def small_model(
    num_layers: int = 1, d_model: int = 32, num_heads: int = 2, wide_start: bool = True
) -> SimpleLanguageModel:
    """The textbook's model in a size for the village.

    Its weights start at N(0, 0.02), which suits layers several hundred wide. Ours are narrow and get N(0, 1/√d_model), all
    but the projection to the vocabulary (LeCun et al. 1998, Efficient BackProp, §4.6; chapter 4 tries both).
    """
    model = SimpleLanguageModel(len(TOKENS), d_model, num_heads, num_layers, 4 * d_model, TOKENS_A_LINE, dropout=0.0)
    if wide_start:
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and not name.startswith("output_projection"):
                nn.init.normal_(parameter, std=1 / math.sqrt(d_model))
    return model


def practise(model: nn.Module, rows: Tensor = TRAINING_ROWS, steps: int = 150, learning_rate: float = 0.01) -> float:
    """Train on random rows, 32 a step; the last step's loss. Chapter 5 shows how it is done properly."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * min(1.0, (step + 1) / 10, (steps - step) / (0.5 * steps))
        summed, num_tokens = next_token_loss(model, {"input_ids": rows[torch.randint(len(rows), (32,))]})
        optimizer.zero_grad()
        (summed / num_tokens).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    return summed.item() / num_tokens


@torch.no_grad()
def mean_loss(model: nn.Module, rows: Tensor = HELD_OUT_ROWS) -> float:
    """Cross-entropy per token, in nats."""
    summed, num_tokens = next_token_loss(model, {"input_ids": rows})
    return summed.item() / num_tokens


@torch.no_grad()
def thanks_right(model: nn.Module, rows: Tensor = HELD_OUT_ROWS) -> float:
    """Share of rows in which the likeliest next words are the borrower, who thanks, and the lender, who is thanked."""
    likeliest = model(rows[:, :-1]).argmax(dim=-1)  # (rows, TOKENS_A_LINE); the word at 7 is predicted at 6
    return float(((likeliest[:, 6] == rows[:, 7]) & (likeliest[:, 8] == rows[:, 9])).float().mean())

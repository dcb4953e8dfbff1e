"""Training with the causal mask and without it."""

from __future__ import annotations

import torch
from practice import HELD_OUT_ROWS, as_text, mean_loss, practise, small_model
from village import FLOOR, LINES, TOKENS_A_LINE

from groundup.textbook import SimpleLanguageModel, generate_tokens


def train(masked: bool) -> SimpleLanguageModel:
    torch.manual_seed(0)
    model = small_model()
    if not masked:
        model.causal_mask.zero_()  # now each word may look at all words, the next one among them
    practise(model)
    return model


@torch.no_grad()
def leak(model: SimpleLanguageModel) -> float:
    """Change a row's last word. By how much do the scores at the words before it move?"""
    rows = HELD_OUT_ROWS[:1, :-1].repeat(2, 1)  # twice the same line
    rows[1, -1] = rows[0, 1]
    first, second = model(rows)[:, :-1]
    return float((first - second).abs().max())


def write(model: SimpleLanguageModel) -> list[str]:
    """200 lines, each from an end token on."""
    torch.manual_seed(1)
    start = torch.zeros(200, 1, dtype=torch.long)
    return [as_text(ids) for ids in generate_tokens(model, start, TOKENS_A_LINE, eos_token_id=0).tolist()]


masked, unmasked = train(masked=True), train(masked=False)
print(f"no honest loss is below {FLOOR:.2f}")
right = []
for name, model in ("with the mask", masked), ("without it", unmasked):
    lines = write(model)
    right.append(sum(line in LINES for line in lines) / len(lines))
    print(f"\n{name}: held-out loss {mean_loss(model):.2f}, leak {leak(model):.2f}, right lines {right[-1]:.0%}")
    print("  " + "\n  ".join(lines[:3]))

assert leak(masked) < 1e-4 < leak(unmasked)
assert mean_loss(unmasked) < 0.1 * FLOOR < FLOOR < mean_loss(masked)  # too good to be true: it copies the answer
assert right[0] > 0.8 > 0.4 > right[1]

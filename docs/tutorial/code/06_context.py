"""What a model can no longer see, it cannot know: shrink its window, and the names are lost, the farthest first."""

from __future__ import annotations

import torch
from practice import HELD_OUT_ROWS, practise, small_model
from village import TOKENS_A_LINE

from groundup.textbook import create_causal_mask

torch.manual_seed(0)
model = small_model()
practise(model)
places = torch.arange(TOKENS_A_LINE)  # (T,)

print("words in view   who thanks?   who is thanked?")
right = {}
for window in (11, 8, 7, 4, 3):
    out_of_view = places[:, None] - places[None, :] >= window  # (T, T)
    model.causal_mask = create_causal_mask(TOKENS_A_LINE).masked_fill(out_of_view, float("-inf"))
    with torch.no_grad():
        is_right = model(HELD_OUT_ROWS[:, :-1]).argmax(dim=-1) == HELD_OUT_ROWS[:, 1:]  # (B, T)
    right[window] = is_right[:, 6].float().mean(), is_right[:, 8].float().mean()
    print(f"{window:13}{right[window][0]:14.0%}{right[window][1]:18.0%}")

assert right[8][1] > 0.9 > 0.4 > right[7][1]  # the lender stands 7 words before "thanked"
assert right[4][0] > 0.9 > 0.4 > right[3][0]  # the borrower stands 3 words before the full stop

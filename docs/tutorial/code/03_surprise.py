"""Cross-entropy, word by word: how surprised is each model by what comes next?"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from practice import HELD_OUT_ROWS, practise, small_model
from torch import Tensor, nn
from village import LINES, TOKENS, TOKENS_A_LINE

from groundup.textbook.next_token import next_token_loss


@torch.no_grad()
def surprises(model: nn.Module, row: Tensor) -> Tensor:
    """-ln P(w_t | w_1, …, w_{t-1}) for each word of a row but the first, in nats: (T-1,)."""
    log_probabilities = F.log_softmax(model(row[None, :-1])[0], dim=-1)  # (T-1, V)
    return -log_probabilities.gather(1, row[1:, None])[:, 0]


torch.manual_seed(0)
untrained, trained = small_model().eval(), small_model()
practise(trained)

row = HELD_OUT_ROWS[0]  # a line that the training never saw
before, after = surprises(untrained, row), surprises(trained, row)
print("next word   untrained   trained")
for index, was, now in zip(row[1:].tolist(), before.tolist(), after.tolist(), strict=True):
    print(f"{TOKENS[index]:10}{was:11.2f}{now:10.2f}")
print(f"sum       {before.sum():11.2f}{after.sum():10.2f}   entropy of a line: {math.log(len(LINES)):.2f}")
print(f"mean      {before.mean():11.2f}{after.mean():10.2f}   blind guess: {math.log(len(TOKENS)):.2f}")
print(
    f"perplexity{before.mean().exp():11.2f}{after.mean().exp():10.2f}   best possible: {len(LINES) ** (1 / TOKENS_A_LINE):.2f}"
)

summed, num_tokens = next_token_loss(trained, {"input_ids": row[None]})
assert math.isclose(summed.item(), after.sum().item(), abs_tol=1e-4)
assert num_tokens == TOKENS_A_LINE
assert before.mean() > 4 * after.mean()

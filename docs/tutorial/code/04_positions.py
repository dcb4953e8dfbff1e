"""Without position vectors a one-layer model sees a bag of words: who lent and who borrowed is lost."""

from __future__ import annotations

import torch
from practice import as_rows, mean_loss, practise, small_model, thanks_right
from torch import Tensor
from village import TOKENS

from groundup.textbook import SimpleLanguageModel

ENDINGS = "Mia lent Ben a kite. Ben thanked Mia.", "Ben lent Mia a kite. Mia thanked Ben."
STARTS = as_rows(ENDINGS)[:, :7]  # up to and with the first full stop: the same words, two of them swapped


def train(positions: bool) -> SimpleLanguageModel:
    torch.manual_seed(0)
    model = small_model()
    if not positions:
        model.position_embedding.weight.requires_grad_(False).zero_()
    practise(model)
    return model


@torch.no_grad()
def next_word(model: SimpleLanguageModel) -> Tensor:
    """Probabilities of the word after each start: (2, V)."""
    return model(STARTS)[:, -1].softmax(dim=-1)


kept, removed = train(positions=True), train(positions=False)
for name, model in ("with positions", kept), ("without positions", removed):
    print(f"{name}: held-out loss {mean_loss(model):.2f}, thanks right {thanks_right(model):.0%}")
    for ending, probabilities in zip(ENDINGS, next_word(model), strict=True):
        mia, ben = probabilities[TOKENS.index("Mia")], probabilities[TOKENS.index("Ben")]
        print(f"  {ending[:20]}  next: Mia {mia:.2f}  Ben {ben:.2f}")

assert (next_word(removed)[0] - next_word(removed)[1]).abs().max() < 1e-4
assert thanks_right(kept) > 0.9 > 0.3 > thanks_right(removed)

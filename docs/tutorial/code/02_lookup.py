"""Attention as a look-up: a query, keys that fit it more or less, and the mean of their values."""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.textbook import scaled_dot_product_attention

words = ["Mia", "lent", "Ben", "a", "kite", "."]
roles = {"Mia": "lender", "Ben": "borrower", "kite": "thing"}
axes = ["lender", "borrower", "thing", "other"]  # one dimension each, so the vectors are 4 wide


def axis(role: str, length: float = 1.0) -> Tensor:
    return length * torch.eye(4)[axes.index(role)]


keys = torch.stack([axis(roles.get(word, "other")) for word in words])  # (6, 4): what each word has to offer
values = torch.eye(len(words))  # (6, 6): what each word hands over; here simply which word it is


def look_up(query: Tensor) -> Tensor:
    """What one query gets: with these values, the weight that each word was given."""
    return scaled_dot_product_attention(query[None], keys, values)[0]  # (6,)


who_lent, who_borrowed = look_up(axis("lender", 12.0)), look_up(axis("borrower", 12.0))
both_at_once = look_up(axis("lender", 12.0) + axis("borrower", 12.0))
no_query = look_up(axis("lender", 0.0))

print("                      " + "".join(f"{word:>6}" for word in words))
for name, weights in [
    ("head 1: who lent?", who_lent),
    ("head 2: who borrowed?", who_borrowed),
    ("one head for both", both_at_once),
    ("a query of length 0", no_query),
]:
    print(f"{name:22}" + "".join(f"{weight:6.2f}" for weight in weights))

assert who_lent.argmax() == words.index("Mia")
assert who_borrowed.argmax() == words.index("Ben")
assert both_at_once.max() < 0.5  # one head gives a mixture: it cannot say which of the two lent

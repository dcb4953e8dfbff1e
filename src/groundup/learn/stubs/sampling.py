"""Which token comes next: scores become the probabilities that one is drawn by.

`logits` (V,) are the scores of all tokens. In this order:

1. Divide them by `temperature`: below 1 the likely tokens gain, above 1 the unlikely ones. At 0 the likeliest token (the
   first of them, if several are equal) has all the probability.
2. A softmax makes probabilities.
3. `top_k`: all but the k likeliest become 0. None: no limit. (A k above V is no limit either.)
4. `top_p`: keep the likeliest tokens, one after the other, until they have a probability of at least p together; the one
   that reaches it stays. All others become 0. None: no limit. It counts what `top_k` has left, made to sum to 1.
5. What is left is divided by its sum.

(Holtzman et al. 2020, §3.1.) The result is the probabilities (V,), not a token: a draw can't be checked, what it is drawn
by can. Then:  groundup learn check sampling
"""

from __future__ import annotations

from torch import Tensor


def next_token_probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Scores (V,) -> probabilities (V,) that sum to 1."""
    raise NotImplementedError

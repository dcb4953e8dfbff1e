"""What a prediction costs: -ln of the probability that the model gave to what came.

`logits` (N, V) are scores, one row for each token to predict, one column for each token that there is. `targets` (N,)
are those that came. A softmax makes probabilities of the scores; the loss of a row is -ln of the probability of its
target. The result is the mean over the rows.

Rows whose target is -100 don't count: padding, or what isn't to be learned. They add nothing, and the mean is over the others.

Scores may be large: exp(1000) is infinite. Take off each row's largest score first, or use `torch.logsumexp`. That
changes nothing else:  -ln softmax(z)_t = logsumexp(z) - z_t.

Don't call F.cross_entropy, F.nll_loss or F.log_softmax. Then:  groundup learn check cross_entropy
"""

from __future__ import annotations

from torch import Tensor


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Logits (N, V) and targets (N,) -> the mean loss in nats, a tensor with no axis."""
    raise NotImplementedError

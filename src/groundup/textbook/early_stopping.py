"""Keep the best model, not the last; and stop when nothing better has come for some time."""

from __future__ import annotations

from collections.abc import Sequence


def best_so_far(losses: Sequence[float]) -> int:
    """i* = argmin L_i over the held-out losses that were measured, in their order; of equal ones the first (Prechelt 1998).

    >>> best_so_far([1.9, 0.7, 0.8])
    1
    """
    return min(range(len(losses)), key=losses.__getitem__)


def out_of_patience(losses: Sequence[float], patience: int) -> bool:
    """k - i* ≥ p: whether `patience` measurements have passed since the best, of which the k-th is the last. With 0 nobody stops.

    >>> [out_of_patience([1.9, 0.7, 0.8, 1.0][: k + 1], patience=2) for k in range(4)]
    [False, False, False, True]
    """
    return 0 < patience <= len(losses) - 1 - best_so_far(losses)

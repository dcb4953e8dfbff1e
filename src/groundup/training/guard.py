"""What may touch the weights: never a NaN or Inf, and, if asked for, no lone spike. Decided on the device, without a wait."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

WINDOW = 128  # steps that a spike is measured against (OLMo-core's SkipStepOptimizer uses the same)
FULL_ENOUGH = 32  # steps seen before anything is called a spike


class StepGuard:
    """Says of each step whether its update is to be skipped.

    Not finite: loss or gradient norm is NaN or Inf; always skipped, and reported so that the caller can stop.
    Spike (with sigmas > 0): loss or gradient norm above mean + sigmas · standard deviation of the last 128 steps that were
    taken; skipped only if the step before was taken, so that a lasting change of level is not mistaken for a spike.
    """

    def __init__(self, sigmas: float, device: torch.device) -> None:
        self.sigmas = sigmas
        self.window = torch.zeros(2, WINDOW, device=device)  # losses, gradient norms
        self.taken = torch.zeros((), dtype=torch.int64, device=device)
        self.just_skipped = torch.zeros((), device=device)
        self.spikes = torch.zeros((), dtype=torch.int64, device=device)
        self.last_spike = torch.full((), -1, dtype=torch.int64, device=device)
        self.not_finite = torch.zeros((), dtype=torch.int64, device=device)
        self.first_not_finite = torch.full((), -1, dtype=torch.int64, device=device)

    def check(self, step: int | Tensor, loss: Tensor, grad_norm: Tensor, overflow: Tensor | None = None) -> Tensor:
        """A device scalar: 1 if this step's update is to be skipped, else 0. What is remembered stays in its places.

        `overflow`: whether the gradient only outgrew a number format with a loss scale, which is skipped but no fault.
        """
        excused = torch.zeros_like(loss, dtype=torch.bool) if overflow is None else overflow
        bad = ~(torch.isfinite(loss) & (torch.isfinite(grad_norm) | excused))
        self.first_not_finite.copy_(torch.where(bad & (self.not_finite == 0), step, self.first_not_finite))
        self.not_finite += bad
        if self.sigmas == 0:
            return (bad | excused).float()
        now = torch.stack((loss, grad_norm))  # (2,)
        seen = self.taken.clamp(max=WINDOW)
        filled = torch.arange(WINDOW, device=now.device) < seen
        mean = (self.window * filled).sum(dim=1) / seen.clamp(min=1)  # (2,)
        variance = ((self.window - mean[:, None]).square() * filled).sum(dim=1) / seen.clamp(min=1)
        high = (now > mean + self.sigmas * variance.sqrt()).any()
        spike = high & ~bad & ~excused & (seen >= FULL_ENOUGH) & (self.just_skipped == 0)
        skip = (bad | excused | spike).float()
        place = torch.arange(WINDOW, device=now.device) == self.taken % WINDOW
        self.window.copy_(torch.where(place & (skip == 0), now[:, None], self.window))
        self.taken += skip == 0
        self.just_skipped.copy_(spike)
        self.spikes += spike
        self.last_spike.copy_(torch.where(spike, step, self.last_spike))
        return skip

    def state(self) -> dict[str, Any]:
        """Everything it carries, as plain numbers (exact: a float32 survives JSON)."""
        return {
            "window": self.window.tolist() if self.sigmas else None,
            "taken": int(self.taken),
            "just_skipped": float(self.just_skipped),
            "spikes": int(self.spikes),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        if state["window"] is not None:
            self.window.copy_(torch.tensor(state["window"]))
        self.taken.fill_(state["taken"])
        self.just_skipped.fill_(state["just_skipped"])
        self.spikes.fill_(state["spikes"])

"""Loss scaling: how gradients too small for 16 bits are carried through them (Micikevicius et al. 2018, §3.2)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor


class LossScale:
    """A factor for the loss, and so for all gradients, as large as they bear.

    fp16 has nothing between 0 and 6e-8. A gradient below is lost, times 65,536 it is not. Above 65,504 there is nothing
    either: then a number is infinite, that step is left out, and the factor halved. After enough good steps it is tried
    larger. The weights are fp32, and see the gradients after the factor is divided out again.
    """

    def __init__(self, scale: float = 2.0**16, good_steps_to_grow: int = 2000) -> None:
        self.scale, self.good_steps_to_grow, self.good_steps = scale, good_steps_to_grow, 0

    def unscale(self, gradients: Iterable[Tensor]) -> bool:
        """Divide the factor out, in place; whether all of them are finite, so that the step may be taken."""
        finite = True
        for gradient in gradients:
            gradient /= self.scale
            finite = finite and math.isfinite(gradient.double().abs().sum().item())
        return finite

    def update(self, finite: bool) -> None:
        """After each step, taken or left out."""
        if not finite:
            self.scale, self.good_steps = self.scale / 2, 0
            return
        self.good_steps += 1
        if self.good_steps == self.good_steps_to_grow:
            self.scale, self.good_steps = self.scale * 2, 0

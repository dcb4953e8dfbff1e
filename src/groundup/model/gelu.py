"""The Gaussian error linear unit, x Φ(x) (Hendrycks & Gimpel 2016), and how PyTorch's compiler is given it on a card.

There it reads numbers of two bytes and writes as many, and should wait for the memory alone. But for the error function the compiler has a
polynomial of many terms, and for the way back an exponential beside it. Abramowitz and Stegun's approximation (Handbook of Mathematical
Functions, 7.1.26) is of five terms, makes use of that same exponential, and is off by 1.5e-7 at most: nothing in two bytes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

P = 0.3275911
TERMS = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
NARROW = (torch.bfloat16, torch.float16)


def gelu(x: Tensor) -> Tensor:
    """x Φ(x), elementwise; Φ is the normal distribution's."""
    if x.is_cuda and x.dtype in NARROW and torch.compiler.is_compiling():
        return NarrowGELU.apply(x)  # type: ignore[no-any-return,no-untyped-call]
    return F.gelu(x)


def gelu_tanh(x: Tensor) -> Tensor:
    """GPT-2's approximation, x (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³), elementwise."""
    if x.is_cuda and torch.compiler.is_compiling():
        return gelu_by_sigmoid(x)
    return F.gelu(x, approximate="tanh")


def gelu_by_sigmoid(x: Tensor) -> Tensor:
    """The same, for (1 + tanh u) / 2 is 1 / (1 + exp(-2u)), of which the compiler makes a faster kernel."""
    wide = x.float()
    return (wide * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))).to(x.dtype)


class NarrowGELU(torch.autograd.Function):
    """x Φ(x) of numbers in two bytes, and its derivative Φ(x) + x φ(x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        below, _ = normal(x.float())
        return (x * below).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x = ctx.saved_tensors[0].float()
        below, density = normal(x)
        narrow: Tensor = (gradient * (below + x * density)).to(gradient.dtype)
        return narrow


def normal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ(x) to 3e-7 in fp32, and φ(x)."""
    bell = torch.exp2(-x * x / (2 * math.log(2)))  # exp(-x²/2), by an instruction that cards have
    t = 1 / (1 + P * math.sqrt(0.5) * x.abs())
    series: Tensor | float = 0.0
    for term in reversed(TERMS):
        series = t * (series + term)
    tail = bell * series / 2  # of -|x|
    below: Tensor = torch.where(x > 0, 1 - tail, tail)
    return below, bell / math.sqrt(2 * math.pi)

"""Checks of `LoraLinear`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from groundup.learn.checking import Attempt, Check, hint_for, same

RANK, ALPHA, IN, OUT = 2, 5.0, 5, 3


def _layer(attempt: Attempt) -> tuple[nn.Linear, Any]:
    linear = nn.Linear(IN, OUT)
    return linear, attempt["LoraLinear"](linear, RANK, ALPHA)


def _learned(attempt: Attempt) -> tuple[nn.Linear, Any, Tensor]:
    """A layer whose B is no longer zero, and some rows."""
    linear, layer = _layer(attempt)
    with torch.no_grad():
        layer.B.copy_(torch.randn(OUT, RANK))
    return linear, layer, torch.randn(4, IN)


def _begins_as_it_was(attempt: Attempt) -> str:
    linear, layer = _layer(attempt)
    x = torch.randn(4, IN)
    mistakes = [(linear(x) - linear.bias, "the bias is lost: let the old layer compute its part")]
    return hint_for(
        layer(x), linear(x), mistakes, "at the start it should compute what the old layer does: B begins at zero"
    )


def _matrices(attempt: Attempt) -> str:
    _, layer = _layer(attempt)
    for name, shape in (("A", (RANK, IN)), ("B", (OUT, RANK))):
        found = getattr(layer, name, None)
        if not isinstance(found, nn.Parameter):
            return f"{name} is to be an nn.Parameter called {name}: nothing else is found by an optimizer"
        if tuple(found.shape) != shape:
            return f"{name} has the shape {tuple(found.shape)}, and should have {shape}"
    if layer.B.any():
        return "B should begin at zero, so that nothing changes before anything is learned"
    if not layer.A.any():
        return "A is zero, too: then neither of the two ever gets a gradient; begin it at random"
    if torch.equal(layer.A, layer.A[:1].expand(RANK, IN)):
        return "the rows of A are all the same, and learn the same, as if r were 1: begin it at random"
    if torch.equal(layer.A, _layer(attempt)[1].A):
        return "two layers began with the same A: draw it without a seed of its own"
    return ""


def _frozen(attempt: Attempt) -> str:
    linear, layer = _layer(attempt)
    if linear.weight.requires_grad or (linear.bias is not None and linear.bias.requires_grad):
        return "the old layer is not frozen: linear.requires_grad_(False), its bias, too"
    trained = sum(parameter.numel() for parameter in layer.parameters() if parameter.requires_grad)
    wanted = RANK * (IN + OUT)
    return "" if trained == wanted else f"{trained} numbers are trained, and should be r (I + O) = {wanted}"


def _change(attempt: Attempt) -> str:
    linear, layer, x = _learned(attempt)
    with torch.no_grad():
        change = x @ layer.A.T @ layer.B.T
        old = linear(x)
        mistakes = [
            (old, "A and B change nothing: add their product"),
            (old + change, "the scale is missing: α / r"),
            (old + ALPHA * change, "the change is multiplied with α: it should be α / r"),
            (old + ALPHA / RANK**0.5 * change, "the scale is α / √r, which is another method: here it is α / r"),
            (old + RANK / ALPHA * change, "the scale is r / α, and should be α / r"),
            (ALPHA / RANK * change, "the old layer's part is missing"),
            (ALPHA / RANK * (old + change), "the scale is for the change alone, not for the old layer's part"),
        ]
        right = old + ALPHA / RANK * change
    return hint_for(layer(x), right, mistakes, "once B is not zero it should compute W x + b + (α / r) B A x")


def _gradients(attempt: Attempt) -> str:
    linear, layer = _layer(attempt)
    layer(torch.randn(4, IN)).square().sum().backward()
    if layer.B.grad is None or not layer.B.grad.any():
        return "B gets no gradient: it would never learn"
    if layer.A.grad is None:
        return "A has no way to the result: does a .detach(), .data or no_grad() cut it?"
    return "the old layer gets a gradient" if linear.weight.grad is not None else ""


def _gradient_of_x(attempt: Attempt) -> str:
    linear, layer, x = _learned(attempt)
    x.requires_grad_()
    layer(x).sum().backward()
    whole = linear.weight + ALPHA / RANK * layer.B @ layer.A
    right = whole.detach().sum(dim=0).expand(4, IN)
    change = right - linear.weight.sum(dim=0)
    cut = "what goes through the {} gives x no gradient, so layers below learn nothing from it: frozen weights need no no_grad or detach"
    mistakes = [(change, cut.format("old layer")), (right - change, cut.format("adapter"))]
    if x.grad is None:
        return cut.format("new layer")
    return hint_for(x.grad, right, mistakes, "the gradient of x is not that of W x + b + (α / r) B A x")


def _merged(attempt: Attempt) -> str:
    linear, layer, x = _learned(attempt)
    wanted, weight = layer(x).detach(), linear.weight.detach().clone()
    merged = layer.merged()
    if not isinstance(merged, nn.Linear):
        return f"merged() should give an nn.Linear, and gave {type(merged).__name__}"
    with torch.no_grad():
        unscaled = x @ (weight + layer.B @ layer.A).T + linear.bias
        mistakes = [
            (unscaled, "merged() forgets the scale, α / r"),
            (wanted - linear.bias, "merged() loses the bias"),
            (linear(x), "merged() gives the old layer: add (α / r) B A to its weight"),
        ]
        hint = hint_for(merged(x), wanted, mistakes, "merged() computes something else than the layer")
    if hint:
        return hint
    if not torch.equal(linear.weight, weight) or not same(layer(x), wanted):
        return "merged() changed the layer itself: write into a new nn.Linear"
    kept = {parameter.data_ptr() for parameter in layer.parameters()}
    if any(parameter.data_ptr() in kept for parameter in merged.parameters()):
        return "merged() shares numbers with the layer, so training one would change the other: copy them"
    return ""


def _without_bias(attempt: Attempt) -> str:
    linear = nn.Linear(IN, OUT, bias=False)
    layer = attempt["LoraLinear"](linear, RANK, ALPHA)
    x = torch.randn(2, 4, IN)
    hint = hint_for(layer(x), linear(x), [], "with a layer that has no bias, and three axes, it is wrong")
    return hint or hint_for(layer.merged()(x), linear(x), [], "merged() of a layer without a bias should have none")


CHECKS = (
    Check("A (r, I) at random and B (O, r) at zero", _matrices),
    Check("it begins as the old layer was", _begins_as_it_was),
    Check("the old layer is frozen, and r (I + O) numbers learn", _frozen),
    Check("W x + b + (α / r) B A x", _change),
    Check("B learns from the first step on", _gradients),
    Check("and so can layers below", _gradient_of_x),
    Check("merged: one layer that computes the same", _merged),
    Check("layers without a bias, and more axes", _without_bias),
)

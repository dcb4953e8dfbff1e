"""What a row adds to a weight's gradient: its norm without the gradient itself where that is large, and weighted sums over rows.

The gradient of a matrix W of a linear layer is, for row b, Gᵦ = Σₜ gₜ aₜᵀ: of its tokens' inputs a (T, I) and the gradients g (T, O)
at its outputs. Both are there on the way back, whatever rows are beside it. Either all Gᵦ are made, (B, O, I), or only their inner
products: ⟨Gᵦ, Hᵦ⟩ = Σₜₛ (aₜ·cₛ)(gₜ·hₛ) (Goodfellow 2015, Efficient per-example gradient computations; Li et al. 2022, Large language
models can be strong differentially private learners, §4, "ghost clipping"), and once it is known what each row counts, its weighted sum
in one product (Bu et al. 2023, Differentially private optimization on large model at small cost, "book-keeping").

Shapes: B rows, T tokens of each, I in, O out, V entries of a table, D its width. All in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Product:
    """A use of a matrix (O, I) by a linear layer."""

    inputs: Tensor  # (B, T, I)
    gradients: Tensor  # (B, T, O)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.inputs.numel() + self.gradients.numel()

    def add_rows(self, rows: Tensor) -> None:
        """Add each row's gradient to `rows` (B, O, I)."""
        rows.baddbmm_(self.gradients.mT, self.inputs)

    def add_sum(self, total: Tensor, factors: Tensor) -> None:
        """Add Σᵦ factorᵦ Gᵦ to `total` (O, I)."""
        weighted = self.gradients * factors[:, None, None]
        total.addmm_(weighted.flatten(0, 1).t(), self.inputs.flatten(0, 1))


@dataclass(frozen=True)
class Lookup:
    """A use of a table (V, D) by an embedding: the entries that ids name."""

    ids: Tensor  # (B, T)
    gradients: Tensor  # (B, T, D)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.ids.numel() + self.gradients.numel()

    def add_rows(self, rows: Tensor) -> None:
        """Add each row's gradient to `rows` (B, V, D)."""
        places = self.ids + torch.arange(len(rows), device=rows.device)[:, None] * rows.shape[1]  # (B, T)
        rows.flatten(0, 1).index_add_(0, places.flatten(), self.gradients.flatten(0, 1))

    def add_sum(self, total: Tensor, factors: Tensor) -> None:
        """Add Σᵦ factorᵦ Gᵦ to `total` (V, D)."""
        total.index_add_(0, self.ids.flatten(), (self.gradients * factors[:, None, None]).flatten(0, 1))


Part = Product | Lookup


def inner(one: Part, other: Part) -> Tensor:
    """(B,) the inner product, for each row, of what two uses of one weight add to its gradient."""
    if isinstance(one, Lookup) and isinstance(other, Product):
        # Of the other's gradient only the entries that are looked up count: Σₛ h[s, idₜ] (gₜ·cₛ).
        found = other.gradients.gather(2, one.ids[:, None].expand(-1, other.gradients.shape[1], -1))  # (B, S, T)
        return ((other.inputs @ one.gradients.mT) * found).sum(dim=(1, 2))
    if isinstance(one, Product) and isinstance(other, Lookup):
        return inner(other, one)
    alike = one.gradients @ other.gradients.mT  # (B, T, S)
    if isinstance(one, Product) and isinstance(other, Product):
        return ((one.inputs @ other.inputs.mT) * alike).sum(dim=(1, 2))
    assert isinstance(one, Lookup)
    assert isinstance(other, Lookup)
    return (alike * (one.ids[:, :, None] == other.ids[:, None, :])).sum(dim=(1, 2))


class WeightRows:
    """The gradients of all rows with respect to one weight that one or several layers use."""

    def __init__(self, parts: Sequence[Part], shape: torch.Size) -> None:
        num_rows = len(parts[0].gradients)
        self.parts, self.shape = parts, shape
        self.rows: Tensor | None = None
        # The rows' gradients are made where they take no more memory than what they are made from, which is not needed then.
        if num_rows * shape.numel() <= sum(part.size for part in parts):
            self.rows = torch.zeros(num_rows, *shape, device=parts[0].gradients.device)
            for part in parts:
                part.add_rows(self.rows)
            self.parts = ()

    def squared_norms(self) -> Tensor:
        """(B,) of each row's gradient."""
        if self.rows is not None:
            return squared_norms(self.rows)
        pairs = [(one, other) for place, one in enumerate(self.parts) for other in self.parts[place:]]
        products = [inner(one, other) * (1 if one is other else 2) for one, other in pairs]
        return torch.stack(products).sum(dim=0).clamp(min=0)

    def weighted_sum(self, factors: Tensor) -> Tensor:
        """Σᵦ factorᵦ Gᵦ, in the weight's shape."""
        if self.rows is not None:
            return weighted_sum(self.rows, factors)
        total = torch.zeros(self.shape, device=factors.device)
        for part in self.parts:
            part.add_sum(total, factors)
        return total


def squared_norms(rows: Tensor) -> Tensor:
    """(B,) of gradients (B, …)."""
    squares: Tensor = torch.linalg.vecdot(rows.flatten(1), rows.flatten(1))
    return squares


def weighted_sum(rows: Tensor, factors: Tensor) -> Tensor:
    """Σᵦ factorᵦ rowsᵦ of gradients (B, …)."""
    total: Tensor = factors @ rows.flatten(1)
    return total.view(rows.shape[1:])

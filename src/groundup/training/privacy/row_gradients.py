"""One pass through a network and back that knows each row's gradient, so that each can be clipped by itself.

The ordinary way back sums over rows at once. Here the trained weights get no gradient of their own accord: what their layers read,
and the gradients at what they wrote, are noted on the way, and the clipped sum is made of these (row_parts.py). It is exact for
every layer that a `Transformer` has, for weights that two layers share, and for adapters; attention has no weights of its own.
"""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.lora import LoraLinear
from groundup.training.privacy.row_parts import Lookup, Part, Product, WeightRows, squared_norms, weighted_sum


class RowGradients:
    """The gradients of `num_rows` rows with respect to what is trained of `network`. A context: one loss's way there and back goes inside.

    The loss is a sum over rows, and none may depend on another row. Afterwards `squared_norms` and `add_clipped` may be called.
    """

    def __init__(self, network: nn.Module, num_rows: int) -> None:
        self.network, self.num_rows = network, num_rows
        self.trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.parts: dict[Tensor, list[Part]] = {}
        self.vectors: dict[Tensor, Tensor] = {}  # (B, …): of biases and norms, which are small
        self.weights: dict[Tensor, WeightRows] = {}
        self.hooks: list[torch.utils.hooks.RemovableHandle] = []
        self.adapted: list[LoraLinear] = []

    def __enter__(self) -> RowGradients:
        for module in self.network.modules():
            if isinstance(module, LoraLinear):
                module.listener = partial(self._note_narrow, module)
                self.adapted.append(module)
            elif isinstance(module, nn.ParameterList):  # an adapter's, which its layer tells of
                continue
            elif any(parameter.requires_grad for parameter in module.parameters(recurse=False)):
                self.hooks.append(module.register_forward_hook(self._note_output))
        if not self.adapted:
            for parameter in self.trained:
                parameter.requires_grad_(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self.hooks:
            hook.remove()
        for module in self.adapted:
            module.listener = None
        for parameter in self.trained:
            parameter.requires_grad_(True)

    @torch.no_grad()
    def squared_norms(self) -> Tensor:
        """(B,) of each row's gradient, all weights together."""
        self.weights = {weight: WeightRows(parts, weight.shape) for weight, parts in self.parts.items()}
        self.parts = {}
        assert {*self.weights, *self.vectors} == {*self.trained}, "every trained weight takes part in the loss"
        norms = [weight.squared_norms() for weight in self.weights.values()]
        norms += [squared_norms(rows) for rows in self.vectors.values()]
        return torch.stack(norms).sum(dim=0)

    @torch.no_grad()
    def add_clipped(self, factors: Tensor) -> None:
        """Add Σᵦ factorᵦ · gradientᵦ, factors (B,), to the `grad` of what is trained. `squared_norms` comes before."""
        sums = {weight: rows.weighted_sum(factors) for weight, rows in self.weights.items()}
        sums |= {vector: weighted_sum(rows, factors) for vector, rows in self.vectors.items()}
        for parameter, total in sums.items():
            parameter.grad = total if parameter.grad is None else parameter.grad.add_(total)

    def _note_output(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """Note what a layer read; what comes back to its output is noted when it comes."""
        if len(output) != self.num_rows:  # positions, looked up once for all rows
            output = output.expand(self.num_rows, *output.shape[1:])
        if not output.requires_grad:  # nothing below it is trained any other way, so the graph begins here
            output = output.requires_grad_()
        output.register_hook(partial(self._note, module, inputs[0].detach()))  # type: ignore[no-untyped-call]
        return output

    @torch.no_grad()
    def _note(self, module: nn.Module, read: Tensor, gradient: Tensor) -> None:
        gradient = gradient.float()
        if isinstance(module, nn.Linear):
            self._add_part(module.weight, Product(read.float(), gradient))
            if module.bias is not None:
                self._add_vector(module.bias, gradient.sum(dim=1))
        elif isinstance(module, nn.Embedding):
            self._add_part(module.weight, Lookup(read.expand(self.num_rows, -1), gradient))
        elif isinstance(module, nn.RMSNorm):
            normalized = F.rms_norm(read.float(), module.normalized_shape, eps=module.eps)
            self._add_vector(module.weight, (gradient * normalized).flatten(1, -2).sum(dim=1))
        elif isinstance(module, nn.LayerNorm):
            normalized = F.layer_norm(read.float(), module.normalized_shape, eps=module.eps)
            self._add_vector(module.weight, (gradient * normalized).flatten(1, -2).sum(dim=1))
            self._add_vector(module.bias, gradient.flatten(1, -2).sum(dim=1))
        else:
            raise AssertionError(f"the gradient of a row is not known for a {type(module).__name__}")

    def _note_narrow(
        self, layer: LoraLinear, dropped: Tensor, products: Tensor, of_products: Tensor, of_output: Tensor
    ) -> None:
        """What an adapted layer tells on its way back, of all tokens (N, …): see `LoraLinear.listener`."""
        dropped, products, of_products, of_output = (
            tensor.float().view(self.num_rows, -1, tensor.shape[-1])
            for tensor in (dropped, products, of_products, of_output)
        )
        begin = 0
        for part, a, b in zip(layer.parts, layer.lora_a, layer.lora_b, strict=True):
            ranks = slice(begin, begin + part.rank)
            self._add_part(a, Product(dropped, of_products[..., ranks]))
            self._add_part(b, Product(products[..., ranks] * part.scale, of_output[..., part.start : part.stop]))
            begin += part.rank

    def _add_part(self, parameter: Tensor, part: Part) -> None:
        self.parts.setdefault(parameter, []).append(part)

    def _add_vector(self, parameter: Tensor, rows: Tensor) -> None:
        self.vectors[parameter] = self.vectors[parameter] + rows if parameter in self.vectors else rows

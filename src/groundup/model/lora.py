"""Low-rank adaptation: beside a frozen matrix W stand two narrow ones, A and B, and W + scale · B A is what acts.

Hu et al. 2021, LoRA, §4.1. Only A and B are trained. A begins at random and B at zero, so that the network begins as it was.

Shapes: N tokens, I in, O out, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from groundup.errors import SettingError
from groundup.model.dropout import Dropout
from groundup.model.families import block_matrices
from groundup.model.lora_settings import LoraSettings, stands_for
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer


@dataclass(frozen=True)
class LoraPart:
    """Two narrow matrices that act on some rows of one of ours, which are a whole matrix of the family's."""

    name: str
    """The family's, in full: `model.layers.0.self_attn.q_proj`."""
    start: int
    stop: int
    rank: int
    alpha: float
    rank_stabilized: bool = False

    @property
    def scale(self) -> float:
        """α / r, or α / √r (Kalajdzievski 2023, rsLoRA, theorem 3.2)."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilized else self.rank)


class LoraLinear(nn.Linear):
    """A frozen linear layer with narrow matrices beside it: x Wᵀ + b, and on each part's rows + scale · dropout(x) Aᵀ Bᵀ.

    Our fused layers hold several matrices of the family, side by side, of which each may have a pair of its own; the parts of one
    layer share what dropout zeroes.
    """

    listener: Callable[[Tensor, Tensor, Tensor, Tensor], None] | None = None
    """Told on the way back what the gradients of A and B are products of, and then these are not made: dropout(x) (N, I), its products
    with all A (N, ΣR), and the gradients of these and of the output, (N, ΣR) and (N, O)."""

    def __init__(self, linear: nn.Linear, parts: Sequence[LoraPart], dropout: float) -> None:
        nn.Module.__init__(self)  # not Linear's, which would make another weight
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.parts, self.dropout = tuple(parts), Dropout(dropout)
        device = linear.weight.device
        self.lora_a = nn.ParameterList(torch.zeros(part.rank, self.in_features, device=device) for part in parts)
        self.lora_b = nn.ParameterList(torch.zeros(part.stop - part.start, part.rank, device=device) for part in parts)

    def forward(self, x: Tensor) -> Tensor:
        draws = self.dropout.draws(x.shape, x.device) if self.dropout.on else None
        rows = tuple((part.start, part.stop, part.scale) for part in self.parts)
        places = range(len(self.parts))  # PyTorch 2.11's compiler can take from such a list, but not go through it
        narrow = [matrices[place] for matrices in (self.lora_a, self.lora_b) for place in places]
        tensors = [x, self.weight, self.bias, *narrow]
        device = x.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            tensors = [None if tensor is None else tensor.to(dtype) for tensor in tensors]
        return _LoraProduct.apply(self.dropout, draws, rows, self.listener, *tensors)  # type: ignore[no-any-return,no-untyped-call]

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """W + scale · B A, a tensor of its own (O, I)."""
        weight = self.weight.clone()
        for part, a, b in zip(self.parts, self.lora_a, self.lora_b, strict=True):
            weight[part.start : part.stop] += (b @ a) * part.scale
        return weight


class _LoraProduct(torch.autograd.Function):
    """What `LoraLinear` computes. For the way back it keeps only what the narrow matrices need: their input, their product with A,
    and what dropout drew. The frozen weight gets no gradient, and nothing is kept for one."""

    @staticmethod
    def forward(
        ctx: Any,
        dropout: Dropout,
        draws: Tensor | None,
        rows: Sequence[tuple[int, int, float]],
        listener: Callable[[Tensor, Tensor, Tensor, Tensor], None] | None,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        *narrow: Tensor,
    ) -> Tensor:
        all_a, all_b = torch.cat(narrow[: len(rows)]), narrow[len(rows) :]  # (ΣR, I)
        out = F.linear(x, weight, bias)  # (…, O)
        flat = out.view(-1, out.shape[-1])  # (N, O)
        dropped = (x if draws is None else x * dropout.factors(draws).to(x.dtype)).reshape(-1, x.shape[-1])  # (N, I)
        products = dropped @ all_a.t()  # (N, ΣR)
        for (start, stop, scale), product, b in zip(rows, _split(products, all_b), all_b, strict=True):
            flat[:, start:stop].addmm_(product, b.t(), alpha=scale)
        ctx.save_for_backward(draws, weight, dropped, products, all_a, *all_b)
        ctx.dropout, ctx.rows, ctx.listener = dropout, rows, listener
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        draws, weight, dropped, products, all_a, *all_b = ctx.saved_tensors
        flat = gradient.reshape(-1, gradient.shape[-1])  # (N, O)
        of_products = torch.empty_like(products)
        of_a: Sequence[Tensor | None] = [None] * len(all_b)
        of_b: Sequence[Tensor | None] = [None] * len(all_b)
        for (start, stop, scale), of_product, b in zip(ctx.rows, _split(of_products, all_b), all_b, strict=True):
            of_product.copy_(flat[:, start:stop] @ b).mul_(scale)  # (N, R)
        if ctx.listener is not None:
            ctx.listener(dropped, products, of_products, flat)
        else:
            of_a = _split(of_products.t() @ dropped, all_b, dim=0)  # (R, I) each
            of_b = [
                (flat[:, start:stop].t() @ product).mul_(scale)  # (O, R)
                for (start, stop, scale), product in zip(ctx.rows, _split(products, all_b), strict=True)
            ]
        of_x = None
        if ctx.needs_input_grad[4]:  # not below the first adapter
            of_x = flat @ weight  # (N, I)
            if draws is None:
                of_x.addmm_(of_products, all_a)
            else:
                factors = ctx.dropout.factors(draws).view(of_x.shape).to(of_x.dtype)
                of_x += (of_products @ all_a).mul_(factors)
            of_x = of_x.view(*gradient.shape[:-1], -1)
        return None, None, None, None, of_x, None, None, *of_a, *of_b


def _split(together: Tensor, all_b: Sequence[Tensor], dim: int = 1) -> tuple[Tensor, ...]:
    """The parts of what stands together of all pairs, by their ranks."""
    return tuple(torch.split(together, [b.shape[1] for b in all_b], dim))


def add_lora(model: Transformer, settings: LoraSettings, seed: int) -> None:
    """Change the network in place: what is targeted becomes a `LoraLinear`, and nothing but its narrow matrices is trained.

    A is drawn uniformly from ±1/√I (He et al. 2015, as nn.Linear begins), from a generator of this seed; B is zero. Raises
    `SettingError` for a target that the network doesn't have.
    """
    names = targeted(model.config, settings.targets)
    add_parts(
        model,
        dict.fromkeys(names, (settings.rank, settings.alpha, settings.rank_stabilized)),
        settings.dropout,
    )
    generator = torch.Generator().manual_seed(seed)
    for layer in lora_layers(model).values():
        for a in layer.lora_a:
            drawn = nn.init.kaiming_uniform_(torch.empty(a.shape), a=math.sqrt(5), generator=generator)
            a.data.copy_(drawn)


def add_parts(model: Transformer, shapes: Mapping[str, tuple[int, float, bool]], dropout: float) -> None:
    """Put zeroed narrow matrices beside the matrices of these names (the family's, in full), in place, and freeze all else.

    `shapes`: rank, alpha and whether it is rank-stabilized. Adapters that are there already are dropped.
    """
    remove_lora(model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module, pieces in block_matrices(model.config).items():
        parts, start = [], 0
        for name, (rows, _) in pieces.items():
            if name in shapes:
                parts.append(LoraPart(name, start, start + rows, *shapes[name]))
            start += rows
        if parts:
            parent, _, attribute = module.rpartition(".")
            linear = model.get_submodule(module)
            assert isinstance(linear, nn.Linear)
            setattr(model.get_submodule(parent), attribute, LoraLinear(linear, parts, dropout))
    for layer in lora_layers(model).values():
        layer.train(model.training)


def remove_lora(model: Transformer, merge: bool = False) -> None:
    """Make the layers plain again, in place, with what the narrow matrices add or without it. Everything may be trained again."""
    for module, layer in lora_layers(model).items():
        plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        if merge:
            layer.weight.data = layer.merged_weight()
        plain.weight, plain.bias = layer.weight, layer.bias
        parent, _, attribute = module.rpartition(".")
        setattr(model.get_submodule(parent), attribute, plain.train(layer.training))
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def lora_layers(model: Transformer) -> dict[str, LoraLinear]:
    """The adapted layers by our names, in the network's order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}


def merged_state(model: Transformer) -> dict[str, Tensor]:
    """The state dict of a plain network that computes the same: each W with its scale · B A added, all else as it is (shared)."""
    layers = lora_layers(model)
    narrow = tuple(f"{name}.lora_{which}." for name in layers for which in "ab")
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(narrow)}
    return state | {f"{name}.weight": layer.merged_weight() for name, layer in layers.items()}


def parameter_split(model: nn.Module) -> tuple[int, int]:
    """How many parameters are trained, and how many there are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


def adapter_parameters(config: TransformerConfig, settings: LoraSettings) -> int:
    """How many parameters `add_lora` would add to such a network."""
    names = set(targeted(config, settings.targets))
    shapes = [shape for pieces in block_matrices(config).values() for name, shape in pieces.items() if name in names]
    return settings.rank * sum(map(sum, shapes))


def targeted(config: TransformerConfig, targets: str | Iterable[str]) -> list[str]:
    """The family's matrices, by full name, that the targets mean: a preset, or names of which each stands for all that end so
    (`q_proj`, `self_attn.q_proj`; GPT-2's `c_proj` is in attention and feed-forward), as in PEFT.

    A network of preset classic has no family; its matrices go by our names (`attention.qkv`). Raises `SettingError` for a name
    that no matrix has.
    """
    modules = block_matrices(config)
    every = [name for pieces in modules.values() for name in pieces]
    if targets == "all-linear":
        return every
    if targets == "attention":
        return [name for module, pieces in modules.items() if ".attention." in module for name in pieces]
    names = [targets] if isinstance(targets, str) else list(targets)
    for target in names:
        if not any(stands_for(target, name) for name in every):
            known = ", ".join(dict.fromkeys(name_in_block(config, name) for name in every))
            advice = f"preset {config.preset!r} has no such matrix; use attention, all-linear, or a list of {known}"
            raise SettingError("training.lora.targets", target, advice)
    return [name for name in every if any(stands_for(target, name) for target in names)]


def name_in_block(config: TransformerConfig, name: str) -> str:
    """A matrix's name within its block: `self_attn.q_proj` of `model.layers.0.self_attn.q_proj`."""
    first = next(iter(next(iter(block_matrices(config).values()))))
    return name.split(".", first.split(".").index("0") + 1)[-1]

"""Which parameter is trained by which rule, and the one object that steps them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from groundup.errors import CheckpointError
from groundup.model.transformer import Attention, FeedForward, Transformer
from groundup.training.adamw import ADAMW_STATE, FUSED_DEVICES, AdamWGroup, MatrixGroup
from groundup.training.muon import Each, Muon, in_turn
from groundup.training.ranks import ALONE, Ranks
from groundup.training.settings import TrainingSettings
from groundup.training.sharded_muon import ShardedMuon


def stacked_matrices(model: Transformer) -> dict[str, list[int]]:
    """The blocks' weight matrices by name, each with the heights of the matrices that are fused in it."""
    heights: dict[str, list[int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Attention):
            heights[f"{name}.qkv.weight"] = list(module.qkv_widths)
            heights[f"{name}.output.weight"] = [module.output.weight.shape[0]]
        elif isinstance(module, FeedForward):
            parts = 2 if module.gated else 1
            heights[f"{name}.input.weight"] = [module.input.weight.shape[0] // parts] * parts
            heights[f"{name}.output.weight"] = [module.output.weight.shape[0]]
    return heights


EMBEDDINGS = ("token_embedding.weight", "position_embedding.weight")


class Optimizer:
    """AdamW for everything, or Muon for the blocks' matrices and AdamW for the rest (embeddings, norms, biases, adapters).

    Frozen parameters are left alone. Weight decay acts on matrices only: the blocks', an untied output projection and
    those of low-rank adapters, but not on embeddings, norms and biases.
    PyTorch's functional AdamW is called directly: its classes load the compiler, which takes longer than a small training's
    first hundred steps. `dtype` is the format of the network's matrix products under autocast, if there is one. `rows`: what this
    process holds of each parameter, where they are dealt out over processes. `narrow`: copies of some matrices in `dtype`, on a card, that
    have the gradients in their place; then all matrices are updated by a kernel of our own.
    """

    def __init__(
        self,
        model: Transformer,
        settings: TrainingSettings,
        num_parts: int = 1,
        dtype: torch.dtype | None = None,
        ranks: Ranks = ALONE,
        rows: Mapping[str, Tensor] | None = None,
        narrow: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.settings = settings
        named: dict[str, Tensor] = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if rows is not None:
            named = dict(rows)
        heights = {name: parts for name, parts in stacked_matrices(model).items() if name in named}
        by_muon = list(heights) if settings.optimizer == "muon" else []
        self.muon_names = by_muon
        self.muon = (Muon if rows is None else ShardedMuon)(
            [named[name] for name in by_muon],
            [heights[name] for name in by_muon],
            settings.momentum,
            settings.weight_decay,
            num_parts,
            dtype if dtype == torch.bfloat16 else None,  # Muon bears rounding, but fp16's narrow range it wouldn't
            ranks,
        )
        decayed = {name for name, p in named.items() if p.ndim >= 2 and name not in EMBEDDINGS}
        rest = [name for name in named if name not in by_muon]
        at_once = [name for name in rest if narrow is not None and named[name].ndim == 2]
        decays = [settings.weight_decay if name in decayed else 0.0 for name in at_once]
        self.matrices = MatrixGroup(at_once, named, decays, narrow or {})
        rest = [name for name in rest if name not in at_once]
        # Dealt out as Muon's are, by size.
        dealt = [sorted(rest, key=lambda name: -named[name].numel())[part::num_parts] for part in range(num_parts)]
        self.adamw_parts = [
            [
                AdamWGroup([name for name in names if name in decayed], named, settings.weight_decay),
                AdamWGroup([name for name in names if name not in decayed], named, 0.0),
            ]
            for names in dealt
        ]
        device = next(iter(named.values())).device.type
        self.fused, self.on_cuda = device in FUSED_DEVICES, device == "cuda"

    @property
    def adamw_groups(self) -> list[AdamWGroup]:
        return [group for part in self.adamw_parts for group in part] + [self.matrices]

    @property
    def param_groups(self) -> list[dict[str, Sequence[Tensor]]]:
        """All trainable parameters, as `torch.amp.GradScaler` looks for them."""
        return [{"params": group.learners} for group in self.adamw_groups] + [{"params": self.muon.parameters}]

    def step(self, factor: float | Tensor, skip: Tensor, each: Each = in_turn, shrink: Tensor | None = None) -> None:
        """Update all weights, each learning rate at this share of its peak: a number, or a scalar on their card.

        `shrink`, a device scalar, is what all gradients are multiplied with first. `each` may call the parts in threads of their own.

        Where the device scalar `skip` is 1 nothing changes, moments and counters included; where AdamW has fused kernels,
        without a wait for the host.
        """

        divisor = None
        if shrink is not None and self.on_cuda:  # there AdamW's kernel divides as it reads them
            scale_gradients(self.muon.parameters, shrink)
            divisor = 1 / shrink
        elif shrink is not None:
            scale_gradients([parameter for group in self.param_groups for parameter in group["params"]], shrink)

        def adamw_part(part: list[AdamWGroup]) -> None:
            for group in part:
                group.step(self.settings, self.settings.learning_rate * factor, skip if self.fused else None, divisor)

        if self.fused or not skip.item():
            each(adamw_part, self.adamw_parts)
        if self.matrices.names:
            assert isinstance(factor, Tensor)
            self.matrices.step(self.settings, self.settings.learning_rate * factor, skip, shrink)
        if self.muon_names:
            self.muon.step(self.settings.matrix_learning_rate * factor, skip, each)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def state_tensors(self) -> dict[str, Tensor]:
        """All state as named tensors: `<parameter>.<exp_avg | exp_avg_sq | step | momentum>`."""
        tensors = {}
        for group in self.adamw_groups:
            for name, *state in zip(group.names, group.averages, group.squares, group.steps, strict=True):
                tensors.update({f"{name}.{key}": value for key, value in zip(ADAMW_STATE, state, strict=True)})
        return tensors | {
            f"{name}.momentum": buffer for name, buffer in zip(self.muon_names, self.muon.buffers, strict=True)
        }

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take over a saved state. Raises `CheckpointError` naming a tensor that is missing, left over or of another shape."""
        own = self.state_tensors()
        for name, tensor in own.items():
            if name not in tensors:
                raise CheckpointError(
                    f"the optimizer's state lacks {name}: the checkpoint was written with other settings"
                )
            if tensors[name].shape != tensor.shape:
                shapes = f"shape {tuple(tensors[name].shape)}, not {tuple(tensor.shape)}"
                raise CheckpointError(
                    f"the optimizer's {name} has {shapes}: the checkpoint was written with other settings"
                )
        left = [name for name in tensors if name not in own]
        if left:
            raise CheckpointError(f"the optimizer's state has {left[0]}, which this recipe doesn't train")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that a training changes: all that are not frozen."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The norm of all gradients together, as a device scalar; of narrow ones, too, in fp32."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    narrow = [gradient for gradient in gradients if gradient.dtype == torch.bfloat16]
    wide = [gradient for gradient in gradients if gradient.dtype != torch.bfloat16]
    norms = [*torch._foreach_norm(wide)] if wide else []
    if narrow:
        norms += torch._foreach_norm(narrow, dtype=torch.float32)
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def scale_gradients(parameters: Sequence[Tensor], factor: Tensor) -> None:
    """Multiply every gradient with a device scalar."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients:
        torch._foreach_mul_(gradients, factor)

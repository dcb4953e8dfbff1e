"""Which parameter is trained by which rule, and the one object that steps them all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundup.errors import CheckpointError
from groundup.model.transformer import Attention, FeedForward, Transformer
from groundup.training.muon import Muon
from groundup.training.settings import TrainingSettings


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


class Optimizer:
    """AdamW for everything, or Muon for the blocks' matrices and AdamW for the rest (embeddings, norms, biases).

    Weight decay acts on the blocks' matrices and an untied output projection only (Brown et al. 2020, appendix B, leaves the
    same to be settled; nanoGPT and GPT-3's followers decay matrices, not vectors).
    """

    def __init__(self, model: Transformer, settings: TrainingSettings) -> None:
        self.settings = settings
        named = dict(model.named_parameters())
        self.names: dict[Tensor, str] = {parameter: name for name, parameter in named.items()}
        heights = stacked_matrices(model)
        matrices = [named[name] for name in heights]
        self.muon: Muon | None = None
        if settings.optimizer == "muon":
            self.muon = Muon(
                matrices,
                list(heights.values()),
                settings.matrix_learning_rate,
                settings.momentum,
                settings.weight_decay,
            )
        by_muon = set(heights) if self.muon else set()
        decayed = {name for name in heights if name not in by_muon} | ({"output_projection.weight"} & set(named))
        rest = {name: parameter for name, parameter in named.items() if name not in by_muon}
        groups = [
            {"params": [p for name, p in rest.items() if name in decayed], "weight_decay": settings.weight_decay},
            {"params": [p for name, p in rest.items() if name not in decayed], "weight_decay": 0.0},
        ]
        device = next(iter(named.values())).device
        self.fused = device.type in ("cpu", "cuda")
        self.adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=1e-8,
            fused=self.fused,
        )

    @property
    def parts(self) -> list[torch.optim.Optimizer]:
        return [self.adamw] if self.muon is None else [self.adamw, self.muon]

    def set_factor(self, factor: float) -> None:
        """Set every learning rate to this share of its peak."""
        for group in self.adamw.param_groups:
            group["lr"] = self.settings.learning_rate * factor
        if self.muon is not None:
            self.muon.param_groups[0]["lr"] = self.settings.matrix_learning_rate * factor

    def step(self, skip: Tensor) -> None:
        """Update all weights, unless the device scalar `skip` is 1: then nothing changes, moments and counters included."""
        if self.fused:
            # The fused kernels leave everything as it was where found_inf is 1; this is how torch.amp.GradScaler skips, too.
            self.adamw.found_inf, self.adamw.grad_scale = skip, None  # type: ignore[attr-defined]
            self.adamw.step()
        elif not skip.item():
            self.adamw.step()
        if self.muon is not None:
            self.muon.step(skip=skip)

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_tensors(self) -> dict[str, Tensor]:
        """All state as named tensors: `<parameter>.<exp_avg | exp_avg_sq | step | momentum>`."""
        return {
            f"{self.names[parameter]}.{key}": value
            for part in self.parts
            for parameter, state in part.state.items()
            for key, value in state.items()
        }

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take over a saved state. Raises `CheckpointError` naming a tensor that is missing, left over or of another shape."""
        expected = {"adamw": ("step", "exp_avg", "exp_avg_sq"), "muon": ("momentum",)}
        remaining = dict(tensors)
        for kind, part in (("adamw", self.adamw), ("muon", self.muon)):
            for parameter in [p for group in part.param_groups for p in group["params"]] if part else []:
                state = {}
                for key in expected[kind]:
                    name = f"{self.names[parameter]}.{key}"
                    if name not in remaining:
                        raise CheckpointError(
                            f"the optimizer's state lacks {name}: the checkpoint was written with other settings"
                        )
                    tensor = remaining.pop(name)
                    if key != "step" and tensor.shape != parameter.shape:
                        raise CheckpointError(
                            f"the optimizer's {name} has shape {tuple(tensor.shape)}, not {tuple(parameter.shape)}"
                        )
                    state[key] = tensor.to(parameter.device, copy=True)
                part.state[parameter] = state  # type: ignore[union-attr]
        if remaining:
            raise CheckpointError(f"the optimizer's state has {next(iter(remaining))}, which this recipe doesn't train")


def gradient_norm(parameters: list[nn.Parameter]) -> Tensor:
    """The norm of all gradients together, as a device scalar."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def scale_gradients(parameters: list[nn.Parameter], factor: Tensor) -> None:
    """Multiply every gradient with a device scalar."""
    torch._foreach_mul_([parameter.grad for parameter in parameters if parameter.grad is not None], factor)

"""On a card: the blocks' matrices in the format of the products, kept beside those that are trained.

Under autocast each product makes such a copy of its weight in every step, and its gradient, which comes in that format, is written once
more in fp32. Both are passes over memory that a card waits for. Here the copies stay, their gradients are read as they came, and AdamW's
update, which has each weight at hand, writes its copy anew (adamw.py). The numbers are those of autocast.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from groundup.model.transformer import Transformer
from groundup.training.objectives import token_loss_on_a_gpu
from groundup.training.optimizers import stacked_matrices
from groundup.training.task import Task


def may_be_narrow(task: Task, device: torch.device, dtype: torch.dtype | None) -> bool:
    """Whether steps may be taken so: of one process that trains all weights, with one way back each, or gradients would be summed in few
    bits, and with kernels that can be made there."""
    settings, model = task.settings, task.model
    if device.type != "cuda" or dtype != torch.bfloat16 or settings.optimizer != "adamw" or not settings.steps_alike:
        return False
    if task.ranks.size > 1 or not all(parameter.requires_grad for parameter in model.parameters()):
        return False
    return token_loss_on_a_gpu.loss_by(device, dtype) is not token_loss_on_a_gpu.loss_in_place


def with_narrow_weights(model: Transformer, dtype: torch.dtype) -> tuple[Transformer, dict[str, nn.Parameter]]:
    """A network that shares everything with the model but the blocks' matrices, and its own of these by name: copies in `dtype`, to which
    their gradients come."""
    copies = {name: nn.Parameter(model.get_parameter(name).detach().to(dtype)) for name in stacked_matrices(model)}
    alias: dict[int, object] = {id(shared): shared for shared in (*model.parameters(), *model.buffers())}
    alias |= {id(model.get_parameter(name)): copied for name, copied in copies.items()}
    return copy.deepcopy(model, alias).train(), copies

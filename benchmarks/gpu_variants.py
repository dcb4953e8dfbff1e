"""What our compiled step may lose to nanoGPT's way, one suspicion at a time: `python -m benchmarks.gpu --variants`.

Each changes one thing of the step. Whichever makes it faster names what is lost, or what is still to be gained (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.transformer import FeedForward
from groundup.training import step
from groundup.training.compiled import SUMS_IN_PARTS, compiled
from groundup.training.step import Machinery
from groundup.training.task import LossSum, Task


@dataclass(frozen=True)
class Variant:
    """One change of a compiled step."""

    network: Callable[[nn.Module], nn.Module] = lambda model: model
    """What is compiled in the model's place."""
    loss_sum: LossSum | None = None
    compiled: Callable[[nn.Module], nn.Module] = lambda network: compiled(network, torch.device("cuda"))
    narrow: bool = True
    """Whether the blocks' matrices have copies in the products' format that stay."""
    settings: dict[str, Any] = field(default_factory=dict)
    one_batch: bool = False
    """Made once, so that the host has nothing to do with it."""
    recorded: bool = True
    """Or each operation of it is asked for by itself."""

    def preparing(self) -> AbstractContextManager[Any]:
        """Meanwhile the machinery is to be prepared."""
        return nullcontext() if self.narrow else patch.object(step, "may_be_narrow", lambda *arguments: False)

    def of_task(self, task: Task) -> Task:
        """The same task, its batches and its loss changed."""
        rows = task.batch(0)
        task = replace(task, batch=lambda step: rows) if self.one_batch else task
        return replace(task, loss_sum=self.loss_sum) if self.loss_sum else task

    def of_machinery(self, machinery: Machinery) -> None:
        """Compile what this variant runs, in its way."""
        before: Any = machinery.shards.networks[0]
        machinery.shards.networks[0] = self.compiled(self.network(before._orig_mod))
        machinery.recorder = machinery.recorder if self.recorded else None


class WithLoss(nn.Module):
    """The network, the output projection and the loss of all tokens, for one graph: batches (B, T+1) to the summed cross-entropy."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        logits = self.model(batch[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="sum")


def of_batch(network: nn.Module, batch: Tensor) -> Tensor:
    """The loss of a network that computes it itself."""
    return network(batch)  # type: ignore[no-any-return]


def with_pytorchs_gelu(network: nn.Module) -> nn.Module:
    """The same network, its activation as PyTorch's compiler computes it by itself."""
    for module in network.modules():
        if isinstance(module, FeedForward):
            module.forward = partial(feed_forward, module)  # type: ignore[method-assign]
    return network


def feed_forward(module: FeedForward, x: Tensor) -> Tensor:
    return module.output(F.gelu(module.input(x)))  # type: ignore[no-any-return]


def tuned(network: nn.Module) -> nn.Module:
    """Compiled in the mode that tries many ways to compute each product, with no other fusions than ours has."""
    from torch._inductor import list_mode_options

    options = {**list_mode_options("max-autotune-no-cudagraphs"), SUMS_IN_PARTS: False}
    return torch.compile(network, options=options)  # type: ignore[return-value]


VARIANTS = {
    "weights copied at each step": Variant(narrow=False),
    "PyTorch's GELU": Variant(network=with_pytorchs_gelu),
    "all of the compiler's fusions": Variant(compiled=lambda network: torch.compile(network)),  # type: ignore[arg-type,return-value]
    "the loss inside the graph": Variant(network=WithLoss, loss_sum=of_batch),
    "not recorded": Variant(recorded=False),
    "max-autotune-no-cudagraphs": Variant(compiled=tuned),
    "no clipping": Variant(settings={"max_grad_norm": 0.0}),
    "one batch, made once": Variant(one_batch=True),
}

"""What our compiled step may lose to nanoGPT's way, one suspicion at a time: `python -m benchmarks.gpu --variants`.

Each changes one thing of the step. Whichever makes it faster names what is lost, or what is still to be gained (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.transformer import Transformer
from groundup.training.step import Machinery
from groundup.training.task import LossSum, Task


@dataclass(frozen=True)
class Variant:
    """One change of a compiled step."""

    network: Callable[[Transformer], nn.Module] = lambda model: model
    """What is compiled in the model's place."""
    loss_sum: LossSum | None = None
    mode: str = "default"
    """The compiler's."""
    settings: dict[str, Any] = field(default_factory=dict)
    one_batch: bool = False
    """Made once, so that the host has nothing to do with it."""
    recorded: bool = True
    """Or each operation of it is asked for by itself."""

    def of_task(self, task: Task) -> Task:
        """The same task, its batches and its loss changed."""
        rows = task.batch(0)
        task = replace(task, batch=lambda step: rows) if self.one_batch else task
        return replace(task, loss_sum=self.loss_sum) if self.loss_sum else task

    def of_machinery(self, machinery: Machinery) -> None:
        """Compile what this variant runs, in its way."""
        network: Any = torch.compile(self.network(machinery.shards.model), mode=self.mode)
        machinery.shards.networks[0] = network
        machinery.recorder = machinery.recorder if self.recorded else None


class WithLoss(nn.Module):
    """The network, the output projection and the loss of all tokens, for one graph: batches (B, T+1) to the summed cross-entropy."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        logits = self.model(batch[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="sum")


def of_batch(network: nn.Module, batch: Tensor) -> Tensor:
    """The loss of a network that computes it itself."""
    return network(batch)  # type: ignore[no-any-return]


VARIANTS = {
    "the loss inside the graph": Variant(network=WithLoss, loss_sum=of_batch),
    "not recorded": Variant(recorded=False),
    "max-autotune-no-cudagraphs": Variant(mode="max-autotune-no-cudagraphs"),
    "no clipping": Variant(settings={"max_grad_norm": 0.0}),
    "one batch, made once": Variant(one_batch=True),
}

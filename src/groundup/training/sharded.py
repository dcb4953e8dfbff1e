"""A network whose weights, gradients and optimizer are dealt out over all processes (Rajbhandari et al. 2020, ZeRO-3; FSDP2).

Of each parameter a process holds some rows: the first has the first ones, and so on, as `torch.chunk` would cut them. Before a block
is read its weights are gathered, and forgotten again after; its gradients are summed, and each process keeps those of its rows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from groundup.model.transformer import Transformer
from groundup.training.ranks import Ranks


def twin_of(whole: Transformer) -> Transformer:
    """Another network, in training, whose parameters lie in the same memory until they are dealt out: two copies on the host would be
    8 bytes a parameter in each process."""
    alias: dict[int, object] = {
        id(parameter): nn.Parameter(parameter.detach(), parameter.requires_grad) for parameter in whole.parameters()
    }
    return copy.deepcopy(whole, alias).train()


class ShardedNetwork:
    """A network in training, dealt out over processes, beside `whole`, the network that it began as.

    `rows` are this process's rows of each trained parameter, by name: what the optimizer steps. In the first process `whole` stays on
    the host, for validation, samples and files, and `gather` fetches the present weights; in the others it gives its memory back.
    """

    def __init__(self, whole: Transformer, ranks: Ranks, device: torch.device) -> None:
        self.whole, self.ranks, self.device = whole, ranks, device
        self.network = twin_of(whole)
        mesh = init_device_mesh(device.type, (ranks.size,))
        modules: list[nn.Module] = [*self.network.blocks, self.network]
        for module in modules:
            fully_shard(module, mesh=mesh)
        for module in modules:
            assert isinstance(module, FSDPModule)
            module.set_gradient_divide_factor(1.0)  # sums, where its default is means over processes
            module.set_force_sum_reduction_for_comms(True)
        if not ranks.first:
            whole.to("meta")
        self.sharded = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        self.rows = {name: nn.Parameter(p.to_local().detach()) for name, p in self.sharded.items()}  # type: ignore[attr-defined]
        self.heights = {name: p.shape[0] for name, p in self.sharded.items()}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for name, parameter in self.sharded.items():
            parameter.grad = self.rows[name].grad = None

    def take_gradients(self) -> None:
        """Let `rows` have the gradients that the ways back left."""
        for name, parameter in self.sharded.items():
            self.rows[name].grad = None if parameter.grad is None else parameter.grad.to_local()  # type: ignore[attr-defined]

    def gather(self) -> None:
        """Put the present weights into `whole`, in the first process; all must call it."""
        wanted = dict(self.whole.named_parameters())
        for name, weights in self.everything(self.rows):
            if self.ranks.first:
                with torch.no_grad():
                    wanted[name].copy_(weights)

    @contextmanager
    def as_whole(self) -> Iterator[None]:
        """Meanwhile `whole` has the present weights in the first process, and lies on its device."""
        self.gather()
        if self.ranks.first:
            self.whole.to(self.device)
        try:
            yield
        finally:
            if self.ranks.first:
                self.whole.to("cpu")

    def everything(self, rows: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Each tensor as a whole, one at a time, from the processes' rows. Their names begin with those of parameters; a tensor without
        dimensions, such as a counter, is the same everywhere.

        By name, since the optimizer's own order follows from how much of each this process has.
        """
        for name, some in sorted(rows.items()):
            height = next((height for of, height in self.heights.items() if name == of or name.startswith(f"{of}.")), 0)
            yield name, self.ranks.gather_rows(some.detach(), height) if some.ndim else some

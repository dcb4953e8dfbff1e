"""The network as PyTorch's compiler makes it (Ansel et al. 2024)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SUMS_IN_PARTS = "triton.mix_order_reduction"


def compiled(network: nn.Module, device: torch.device) -> nn.Module:
    """The network, compiled at its first call.

    On a card without one fusion, that of a norm's way back with the sums that its weights' gradients are: these come in so many parts that
    adding them up takes longer than reading once more what they are sums of (docs/log.md).
    """
    options: dict[str, Any] | None = None
    if device.type == "cuda":
        from torch._inductor import list_options  # takes seconds to load

        options = {SUMS_IN_PARTS: False} if SUMS_IN_PARTS in list_options() else None
    return torch.compile(network, options=options)  # type: ignore[return-value]

"""One batch on several devices: each takes some rows, and all end with the same sum of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from groundup.textbook.next_token import next_token_loss


def rank_gradient(model: nn.Module, rows: Tensor, mask: Tensor, num_targets: int) -> Tensor:
    """One rank's part of the batch's gradient, as a single vector (N,): that of its own rows' summed loss over the number
    of targets of *all* ranks' rows.

    `rows` and `mask`, (B, T), as in `next_token_loss`. Divided by its own number, a rank with short rows would count as much
    as one with long ones.
    """
    model.zero_grad()
    summed, _ = next_token_loss(model, {"input_ids": rows, "attention_mask": mask})
    (summed / num_targets).backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def ring_all_reduce(vectors: Sequence[Tensor]) -> tuple[list[Tensor], int]:
    """Each rank's copy of the sum of all ranks' vectors, and how many numbers each rank sent for it.

    Every vector is cut into as many parts as there are ranks, W. In W - 1 rounds each rank hands a part to the next one, which
    adds its own: then every rank holds one part of the sum. In W - 1 more rounds the finished parts go round. So each sends
    2 (W - 1) / W of a vector, no more with a thousand ranks than with ten (Patarasuk & Yuan 2009).
    """
    world = len(vectors)
    parts = [list(vector.clone().tensor_split(world)) for vector in vectors]
    sent = 0
    for adds in (True, False):
        for turn in range(world - 1):
            first = [(rank - turn + (0 if adds else 1)) % world for rank in range(world)]  # the part that each hands on
            moving = [parts[rank][first[rank]].clone() for rank in range(world)]
            sent += len(moving[0])
            for rank in range(world):
                after, part = (rank + 1) % world, first[rank]
                parts[after][part] = parts[after][part] + moving[rank] if adds else moving[rank]
    return [torch.cat(each) for each in parts], sent

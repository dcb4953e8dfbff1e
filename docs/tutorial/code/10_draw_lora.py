"""Draw a layer's weight and the two matrices beside it, to scale, as SVG: what is trained of how much."""

from __future__ import annotations

import torch
from drawing import BLUE, ORANGE, box, sheet, text
from torch import nn

from groundup.textbook.lora import LoraLinear

SIZE, SCALE, TOP, LEFT = 256, 0.9, 56, 30
body, trained = [], {}
for panel, rank in enumerate((4, 32)):
    layer = LoraLinear(nn.Linear(SIZE, SIZE, bias=False), rank=rank)
    numbers = {name: parameter.numel() for name, parameter in layer.named_parameters() if parameter.requires_grad}
    trained[rank] = sum(numbers.values()) / layer.linear.weight.numel()
    left, side, thin = LEFT + panel * 390, SIZE * SCALE, rank * SCALE
    b, a = left + side + 34, left + side + 34 + thin + 14
    body += [
        text(
            left,
            26,
            f"rank {rank}: {sum(numbers.values()):,} of {layer.linear.weight.numel():,} numbers, {trained[rank]:.1%}",
            bold=True,
        ),
        box(left, TOP, side, side, BLUE, 0.2),
        text(left + side / 2, TOP + side / 2, "W, frozen", "middle"),
        text(left + side + 17, TOP + side / 2, "+", "middle"),
        box(b, TOP, thin, side, ORANGE, 0.8),
        text(b + thin / 2, TOP - 8, "B", "middle"),
        box(a, TOP, 60, thin, ORANGE, 0.8),
        text(a + 30, TOP - 8, "A", "middle"),
        text(a, TOP + thin + 18, f"({rank}, {SIZE}),"),
        text(a, TOP + thin + 34, "cut short"),
    ]
print(
    sheet(
        800,
        TOP + SIZE * SCALE + 20,
        "A frozen weight and its adapter",
        "Two thin matrices beside a large square one.",
        body,
    )
)

x = torch.randn(3, SIZE)
assert torch.equal(layer(x), layer.linear(x)), "B is zero, so nothing has changed yet"
assert trained[4] < 0.04 < trained[32] < 0.3

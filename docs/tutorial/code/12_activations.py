"""How much a step keeps for its way back: counted, byte by byte, with each way to keep less switched on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.textbook import SimpleLanguageModel
from groundup.textbook.attention import create_causal_mask
from groundup.textbook.checkpointing import checkpointed_backward, checkpointed_forward

VOCABULARY, WIDTH, LAYERS, TIME = 2000, 64, 8, 64
torch.manual_seed(0)
model = SimpleLanguageModel(VOCABULARY, WIDTH, 4, LAYERS, 4 * WIDTH, 256, dropout=0.0)
weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}


class Kept:
    """While it stands open, everything that PyTorch keeps for the way back; the most that there was of it at once."""

    def __init__(self) -> None:
        self.alive: dict[int, int] = {}  # bytes by where they lie: two layers may keep the same
        self.most = 0

    def __enter__(self) -> Kept:
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.keep, lambda tensor: tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.hooks.__exit__(*error)

    def keep(self, tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage()
        if place.data_ptr() not in weights:
            self.alive[place.data_ptr()] = place.nbytes()
        self.most = max(self.most, sum(self.alive.values()))
        return tensor


def head_loss(x: Tensor, targets: Tensor) -> Tensor:
    logits = model.output_projection(model.ln_final(x)).flatten(0, 1)  # (B T, V)
    return F.cross_entropy(logits, targets.flatten(), reduction="sum")


def embedded(ids: Tensor) -> Tensor:
    return model.token_embedding(ids) + model.position_embedding(torch.arange(ids.shape[1]))  # type: ignore[no-any-return]


def plain_step(rows: Tensor, parts: int = 1, stretch: int = 0) -> float:
    """Megabytes kept at once: all rows together or in `parts`; the blocks' insides, or each `stretch`-th block's input alone."""
    most = 0
    mask = create_causal_mask(rows.shape[1] - 1)
    for part in rows.chunk(parts):
        ids, targets = part[:, :-1], part[:, 1:]
        blocks: list[nn.Module] = [Masked(block, mask) for block in model.transformer_blocks]
        with Kept() as kept:
            x = embedded(ids)
            if not stretch:
                for block in blocks:
                    x = block(x)
                head_loss(x, targets).backward()  # type: ignore[no-untyped-call]
        most = max(most, kept.most)
        if stretch:
            out, inputs = checkpointed_forward(blocks, x.detach(), stretch)
            with Kept() as head:
                last = out.requires_grad_()
                head_loss(last, targets).backward()  # type: ignore[no-untyped-call]
            assert last.grad is not None
            with Kept() as one:  # the last stretch alone: the others are as large, and come when it is gone
                checkpointed_backward(blocks[-stretch:], inputs[-1:], last.grad, stretch)
            lying = sum(each.nbytes for each in inputs)
            most = max(most, lying + max(head.most, one.most))
    return most / 1e6


class Masked(nn.Module):
    """A block that has its mask already, as `checkpointed_forward` wants its layers."""

    def __init__(self, block: nn.Module, mask: Tensor) -> None:
        super().__init__()
        self.block, self.mask = block, mask

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x, self.mask)  # type: ignore[no-any-return]


rows = torch.randint(VOCABULARY, (8, TIME + 1))
state = 16 * sum(parameter.numel() for parameter in model.parameters()) / 1e6
print(f"weights, gradients and AdamW's averages, whatever the batch: {state:.1f} MB")
print("\nkept for the way back, MB")
table = {
    "8 rows of 64 tokens": plain_step(rows),
    "  16 rows": plain_step(torch.randint(VOCABULARY, (16, TIME + 1))),
    "  8 rows of 128 tokens": plain_step(torch.randint(VOCABULARY, (8, 2 * TIME + 1))),
    "  in 4 parts": plain_step(rows, parts=4),
    "  each block computed twice": plain_step(rows, stretch=1),
    "  stretches of 4 blocks": plain_step(rows, stretch=4),
    "  both: 4 parts, each block twice": plain_step(rows, parts=4, stretch=1),
}
for name, megabytes in table.items():
    print(f"{name:34}{megabytes:8.1f}")
logits = 8 * TIME * VOCABULARY * 4 / 1e6
print(
    f"\nof which the logits alone, 8 x {TIME} x {VOCABULARY} numbers: {logits:.1f}; with a vocabulary of 50,000: {25 * logits:.1f}"
)

plain = table["8 rows of 64 tokens"]
assert table["  16 rows"] > 1.9 * plain
assert table["  8 rows of 128 tokens"] > 2.1 * plain, "attention's scores grow with the square"
assert table["  in 4 parts"] < 0.3 * plain
assert table["  each block computed twice"] < 0.4 * plain

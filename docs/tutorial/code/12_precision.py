"""Sixteen bits for the products, thirty-two for the weights: what happens to gradients and to weights that do without."""

from __future__ import annotations

import torch
from practice import TRAINING_ROWS, mean_loss, small_model

from groundup.textbook.loss_scale import LossScale
from groundup.textbook.next_token import next_token_loss

STEPS, RATE = 120, 0.003


def through(numbers: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is left of them in another format."""
    return numbers.to(dtype).float()


def train(gradients: torch.dtype, weights: torch.dtype, scale: LossScale) -> tuple[float, float]:
    """Held-out loss, and the share of gradients that became 0."""
    torch.manual_seed(0)
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, eps=1e-12)
    gone = total = 0
    for _ in range(STEPS):
        summed, num_tokens = next_token_loss(
            model, {"input_ids": TRAINING_ROWS[torch.randint(len(TRAINING_ROWS), (32,))]}
        )
        loss = summed / num_tokens / 1e5  # as if each row were one of a very large batch
        optimizer.zero_grad()
        (loss * scale.scale).backward()  # type: ignore[no-untyped-call]
        found = []
        for parameter in model.parameters():
            assert parameter.grad is not None
            before = parameter.grad != 0
            parameter.grad = through(parameter.grad, gradients)
            gone, total = gone + int((before & (parameter.grad == 0)).sum()), total + int(before.sum())
            found.append(parameter.grad)
        finite = scale.unscale(found)
        if finite:
            optimizer.step()
        scale.update(finite)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(through(parameter, weights))
    return mean_loss(model), gone / total


fp32, fp16, bf16 = torch.float32, torch.float16, torch.bfloat16
table = {
    "all in 32 bits": train(fp32, fp32, LossScale(1.0)),
    "gradients in fp16": train(fp16, fp32, LossScale(1.0)),
    "gradients in fp16, scaled": train(fp16, fp32, LossScale(2.0**32)),
    "gradients in bf16": train(bf16, fp32, LossScale(1.0)),
    "weights in bf16, too": train(bf16, bf16, LossScale(1.0)),
}
print("                            held-out loss   gradients lost")
for name, (loss, lost) in table.items():
    print(f"{name:26}{loss:15.3f}{lost:17.0%}")

print("\n            1 + 1/100   1 + 1/1000     smallest      largest")
for name, dtype in (("float32", fp32), ("float16", fp16), ("bfloat16", bf16)):
    limits = torch.finfo(dtype)
    sums = [through(torch.tensor(1 + part), dtype).item() for part in (0.01, 0.001)]
    print(f"{name:12}{sums[0]:9.5f}{sums[1]:13.5f}{limits.smallest_normal * limits.eps:13.0e}{limits.max:13.0e}")

assert table["gradients in fp16"][1] > 0.5
assert table["gradients in fp16"][0] > table["all in 32 bits"][0] + 0.05
assert abs(table["gradients in fp16, scaled"][0] - table["all in 32 bits"][0]) < 0.02
assert table["weights in bf16, too"][0] > table["gradients in bf16"][0] + 0.01

"""What a new token costs, without a cache and with one; and what is left then: all weights have to come out of the memory, every time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundup.textbook import SimpleLanguageModel, generate_tokens
from groundup.textbook.continuous_batching import ContinuousBatch

torch.manual_seed(0)
model = SimpleLanguageModel(50, d_model=32, num_heads=2, num_layers=2, d_ff=128, max_seq_len=256).eval()
for parameter in model.parameters():
    if parameter.ndim == 2:
        nn.init.normal_(parameter, std=0.3)
multiplications = 0


def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """A linear layer takes in_features · out_features multiplications a token. (Attention's own come on top.)"""
    global multiplications
    assert isinstance(layer, nn.Linear)
    multiplications += inputs[0].numel() * layer.out_features


for module in model.modules():
    if isinstance(module, nn.Linear):
        module.register_forward_hook(count)

prompt = list(range(8))
print("millions of multiplications")
print("new tokens   every token again    cached")
for num_new in (10, 40, 160):
    multiplications = 0
    again = generate_tokens(model, torch.tensor([prompt]), num_new, temperature=0.0)[0].tolist()
    without = multiplications
    multiplications = 0
    batch = ContinuousBatch(model, num_rows=1)
    text = batch.add(prompt, num_new)
    while batch.running or batch.waiting:
        batch.step()
    print(f"{num_new:10}{without / 1e6:20.1f}{multiplications / 1e6:10.1f}")
    assert text.ids == again
assert without > 50 * multiplications

# A model of GPT-2's smallest shape, on a machine that reads 25 GB a second from its memory. Nothing is computed here.
BANDWIDTH = 25e9
WEIGHTS, LAYERS, WIDTH, TOKENS = 124e6, 12, 768, 200
cache = 2 * LAYERS * WIDTH * 4 * TOKENS  # bytes of one text: a key and a value for each layer and token
print("\nbytes a weight   texts in the batch   tokens a second, at most")
for size in (4, 1, 0.5):
    for texts in (1, 16):
        seconds = (WEIGHTS * size + texts * cache) / BANDWIDTH
        print(f"{size:14}{texts:21}{texts / seconds:27,.0f}")

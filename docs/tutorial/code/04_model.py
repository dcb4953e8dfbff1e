"""The parts of a model, what they weigh, and the first number to check: the loss before any training."""

from __future__ import annotations

import math

import torch
from practice import HELD_OUT_ROWS, mean_loss
from torch import nn
from village import TOKENS, TOKENS_A_LINE

from groundup.textbook import SimpleLanguageModel

torch.manual_seed(0)
model = SimpleLanguageModel(
    vocab_size=len(TOKENS), d_model=32, num_heads=2, num_layers=1, d_ff=128, max_seq_len=TOKENS_A_LINE, dropout=0.0
)


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


for name, part in model.named_children():
    print(f"{name:22}{num_parameters(part):8,}")
print(f"{'all':22}{num_parameters(model):8,}")

logits = model(HELD_OUT_ROWS[:5, :-1])  # (B, T) -> (B, T, V)
print(f"\nids {tuple(HELD_OUT_ROWS[:5, :-1].shape)} -> logits {tuple(logits.shape)}")

blind_guess, sure_of_itself = math.log(len(TOKENS)), SimpleLanguageModel(len(TOKENS), 32, 2, 1, 128, TOKENS_A_LINE)
nn.init.normal_(sure_of_itself.output_projection.weight)  # N(0, 1): large weights, large logits
print(f"loss before training: {mean_loss(model):.2f}, of a blind guess: {blind_guess:.2f}")
print(f"loss before training, with large weights at the end: {mean_loss(sure_of_itself.eval()):.2f}")

assert abs(mean_loss(model) - blind_guess) < 0.1
assert mean_loss(sure_of_itself) > 2 * blind_guess  # sure, and wrong

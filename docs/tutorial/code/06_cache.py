"""The same scores for far less work: a cache of keys and values."""

from __future__ import annotations

import torch

from groundup.model.settings import preset_config
from groundup.model.transformer import KVCache, Transformer

torch.manual_seed(0)
model = Transformer(
    preset_config("qwen3", vocab_size=50, d_model=32, num_layers=2, max_seq_len=128, initialization="normal")
)
model.eval()
tokens_read = 0


def count_tokens(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    global tokens_read
    tokens_read += inputs[0].numel()


model.token_embedding.register_forward_pre_hook(count_tokens)


@torch.no_grad()
def generate(prompt: torch.Tensor, num_new: int, cached: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest continuation (1, T + num_new), and the scores of its last step (V,)."""
    cache = KVCache(model.config, num_rows=1, max_len=128, device="cpu") if cached else None
    ids = unread = prompt  # (1, T)
    for _ in range(num_new):
        logits = model(unread, cache=cache)[0, -1]  # (V,)
        newest = logits.argmax().view(1, 1)
        ids = torch.cat([ids, newest], dim=1)
        unread = newest if cached else ids  # what the next step has to read
    return ids, logits


prompt = torch.arange(8)[None]  # (1, 8)
results = {}
for cached in (False, True):
    tokens_read = 0
    results[cached] = generate(prompt, 100, cached)
    print(f"cache {'on' if cached else 'off':4} {tokens_read:6,} tokens read for 100 new ones")
difference = float((results[True][1] - results[False][1]).abs().max())
print(f"largest difference of the last scores: {difference:.3f}")

assert results[True][0].equal(results[False][0])
assert difference < 1e-3

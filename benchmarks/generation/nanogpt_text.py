"""nanoGPT's `generate`, which keeps no cache: each new token reads the whole text anew.

Its checkout is found through NANOGPT. Weights are read as its `from_pretrained` reads GPT-2's, but with GPT-2's own GELU.
"""

from __future__ import annotations

import os
import sys

import torch
from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, config, generate_in_turn
from safetensors.torch import load_file

sys.path.insert(0, os.environ["NANOGPT"])
from model import GPT, GPTConfig  # type: ignore[import-not-found]

c = config()
model = GPT(
    GPTConfig(
        block_size=c["n_positions"],
        vocab_size=c["vocab_size"],
        n_layer=c["n_layer"],
        n_head=c["n_head"],
        n_embd=c["n_embd"],
        dropout=0.0,
        bias=True,
    )
).eval()
stored_turned = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
weights = {
    name: weight.t() if name.endswith(stored_turned) else weight
    for name, weight in load_file(MODEL / "model.safetensors").items()
}
missing = model.load_state_dict(weights, strict=False).missing_keys
assert set(missing) <= {"lm_head.weight"}, missing  # it shares the token embedding's
for block in model.transformer.h:
    block.mlp.gelu = torch.nn.GELU(approximate="tanh")
prompts = torch.tensor(PROMPTS)


@torch.no_grad()
def generate() -> list[list[int]]:
    texts = model.generate(prompts, NEW_TOKENS, top_k=1)
    ids: list[list[int]] = texts[:, prompts.shape[1] :].tolist()
    return ids


generate_in_turn(generate)

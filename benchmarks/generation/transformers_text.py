"""transformers' `generate`, greedy, with its default cache."""

from __future__ import annotations

import torch
from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, generate_in_turn
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(MODEL).eval()
prompts = torch.tensor(PROMPTS)
everywhere = torch.ones_like(prompts)


def generate() -> list[list[int]]:
    # Without an end token no text ends early.
    texts = model.generate(
        prompts,
        attention_mask=everywhere,
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    ids: list[list[int]] = texts[:, prompts.shape[1] :].tolist()
    return ids


generate_in_turn(generate)

"""Our engine on our weights writes what `transformers` writes with its own class and cache on the same directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from groundup.generation.generation import Generation
from groundup.generation.settings import GenerationSettings
from groundup.model.directory import load_model, save_model
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

V, CONTEXT, PAD = 29, 24, 28
PROMPTS = [[5, 6, 7, 1], [3], [9, 8, 7, 6, 5, 4, 3]]


def saved_model(preset: Preset, directory: Path) -> Transformer:
    fields: dict[str, Any] = {} if preset == "gpt2" else {"num_kv_heads": 2}
    shape = {"vocab_size": V, "d_model": 32, "num_layers": 2, "num_heads": 4, "max_seq_len": CONTEXT, **fields}
    model = Transformer(preset_config(preset, tie_embeddings=False, **shape))
    generator = torch.Generator().manual_seed(5)
    for parameter in model.parameters():  # every weight random, so that the tokens vary
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.5 * noise if parameter.ndim > 1 else parameter.data + 0.2 * noise
    save_model(model.eval(), directory)
    return load_model(directory)


def ours(model: Transformer, settings: GenerationSettings, end_id: int | None) -> list[list[int]]:
    texts = [list(prompt) for prompt in PROMPTS]
    for tokens in Generation(model, PROMPTS, settings, end_id):
        for token in tokens:
            texts[token.row].append(token.id)
    return texts


def theirs(directory: Path, settings: GenerationSettings, end_id: int | None) -> list[list[int]]:
    """One batch, filled up on the left as `transformers` wants it."""
    model = AutoModelForCausalLM.from_pretrained(directory).eval()
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[PAD] * (longest - len(prompt)) + prompt for prompt in PROMPTS])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])
    out = model.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=settings.max_new_tokens,
        repetition_penalty=settings.repetition_penalty,
        eos_token_id=end_id,
        pad_token_id=PAD,
    )
    texts = []
    for row, prompt in zip(out.tolist(), PROMPTS, strict=True):
        new = row[longest:]
        texts.append(prompt + (new[: new.index(end_id) + 1] if end_id in new else new))
    return texts


@pytest.mark.parametrize("preset", ["gpt2", "llama", "qwen3"])
def test_greedy_ids_are_equal_up_to_the_context(preset: Preset, tmp_path: Path) -> None:
    model = saved_model(preset, tmp_path)
    settings = GenerationSettings(temperature=0.0, max_new_tokens=CONTEXT - max(map(len, PROMPTS)))
    found = ours(model, settings, None)
    assert found == theirs(tmp_path, settings, None)
    assert len({token for text in found for token in text[-8:]}) > 4  # it writes more than one token
    end_id = found[0][-5]
    assert ours(model, settings, end_id) == theirs(tmp_path, settings, end_id)


def test_greedy_ids_with_a_repetition_penalty_are_equal(tmp_path: Path) -> None:
    """Row by row of one length: `transformers` would penalize its padding, too."""
    model = saved_model("qwen3", tmp_path)
    settings = GenerationSettings(temperature=0.0, max_new_tokens=17, repetition_penalty=1.3)
    reference = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    for prompt in PROMPTS:
        out = reference.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=17,
            repetition_penalty=1.3,
            pad_token_id=PAD,
            eos_token_id=None,
        )
        found = [token.id for tokens in Generation(model, [prompt], settings) for token in tokens]
        assert prompt + found == out[0].tolist()

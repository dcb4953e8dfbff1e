"""`evaluate` beside a direct computation with transformers on the same directory, and a trained run's model opened there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

import groundup as gu


def quiet(text: str) -> None:
    pass


@pytest.mark.parametrize("preset", ["gpt2", "llama", "qwen3"])
def test_the_same_figures(preset: str, tiny_recipe: Path, text_file: Path, tmp_path: Path) -> None:
    run = gu.train(tiny_recipe, [f"model.preset={preset}", "training.max_steps=10"], run=tmp_path / "run", say=quiet)
    figures = gu.evaluate(run.path / "model", data=str(text_file), say=quiet)
    model = AutoModelForCausalLM.from_pretrained(run.path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(run.path / "model")
    text = text_file.read_text(encoding="utf-8")
    ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, 16):
            window = torch.tensor(ids[start : start + 17])
            logits = model(window[None, :-1]).logits[0]
            total += float(F.cross_entropy(logits, window[1:], reduction="sum"))
    tokens, num_bytes = len(ids) - 1, len(text.encode()) - len(text[0].encode())
    assert figures["loss"] == pytest.approx(total / tokens, abs=1e-4)
    assert figures["perplexity"] == pytest.approx(math.exp(total / tokens), rel=1e-4)
    assert figures["bits_per_byte"] == pytest.approx(total / math.log(2) / num_bytes, abs=1e-4)
    assert (figures["tokens"], figures["bytes"], figures["window"]) == (tokens, num_bytes, 16)


def test_the_classic_layout_trains_and_says_that_nothing_else_opens_it(tiny_recipe: Path, tmp_path: Path) -> None:
    run = gu.train(tiny_recipe, ["model.preset=classic", "training.max_steps=10"], run=tmp_path / "run", say=quiet)
    assert len(run.load().generate("The ", max_new_tokens=5)) <= 5 * 4
    with pytest.raises(ValueError, match="groundup-classic"):
        AutoModelForCausalLM.from_pretrained(run.path / "model")
    assert "No stock Hugging Face class has this layout" in (run.path / "model" / "config.json").read_text()

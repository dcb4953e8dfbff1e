"""Directories in other number formats open in transformers with the weights rounded, and nothing else changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.language_model.test_adapters import IDS, train
from tests.model.test_gguf_file import network
from transformers import AutoModelForCausalLM

from groundup.errors import ModelError
from groundup.exports.hugging_face import DTYPES, write_hugging_face
from groundup.language_model import LanguageModel
from groundup.model.settings import Preset
from groundup.recipe.export import export
from groundup.tokens.character import train_character_tokenizer

TOKENIZER = train_character_tokenizer(["abcdefgh "], byte_fallback=False)


def test_an_adapter_is_merged(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.recipe.certificate.MOST_NUMBERS", 2048)  # 16 places a text
    monkeypatch.setattr("groundup.recipe.ways.TIMED_TOKENS", 4)
    adapted = train(tiny_base, tmp_path / "adapter", str(tiny_base))
    export(tmp_path / "adapter", "hf", tmp_path / "made")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "made").eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, adapted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("preset", ["gpt2", "qwen3", "classic"])
def test_the_weights_come_back_rounded(preset: Preset, dtype: str, tmp_path: Path) -> None:
    model = network(preset)
    write_hugging_face(model, TOKENIZER, tmp_path, dtype)
    config = json.loads((tmp_path / "config.json").read_text())
    assert preset == "classic" or config["dtype"] == config["torch_dtype"] == dtype
    again = LanguageModel.load(tmp_path, device="cpu").model.state_dict()
    for name, weights in model.state_dict().items():
        assert torch.equal(again[name], weights if "rotary" in name else weights.to(DTYPES[dtype]).float())


def test_a_weight_beyond_half_precision_is_named(tmp_path: Path) -> None:
    model = network("qwen3")
    with torch.no_grad():
        model.get_parameter("blocks.0.attention.output.weight")[0, 0] = -7e4
    with pytest.raises(ModelError, match=r"model.layers.0.self_attn.o_proj.weight holds numbers beyond half precision"):
        write_hugging_face(model, TOKENIZER, tmp_path / "made", "float16")
    assert not (tmp_path / "made").exists()
    write_hugging_face(model, TOKENIZER, tmp_path / "made", "bfloat16")

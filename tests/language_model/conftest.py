"""A small language model with random weights, and its directory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from groundup.language_model import LanguageModel
from groundup.model.directory import save_model
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n"


@pytest.fixture(scope="session")
def language_model() -> LanguageModel:
    """Context 32; every weight random, so that texts vary."""
    tokenizer = train_character_tokenizer([TEXT], byte_fallback=False)
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 32}
    model = Transformer(preset_config("llama", **shape))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25, generator=generator)
    return LanguageModel(model.eval(), tokenizer)


@pytest.fixture
def directory(language_model: LanguageModel, tmp_path: Path) -> Path:
    """It, saved as a Hugging Face directory."""
    path = tmp_path / "saved"
    tokenizer = language_model.tokenizer
    save_model(language_model.model, path, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id)
    tokenizer.save(path)
    return path

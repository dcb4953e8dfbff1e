"""The network that a training begins with: a new one, or the base that a recipe names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from groundup.cores import memory_bytes
from groundup.errors import MachineError, SettingError
from groundup.language_model import LanguageModel
from groundup.model.adapter import weights_sha256
from groundup.model.counts import parameter_counts
from groundup.model.lora import adapter_parameters, add_lora
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.recipe.base import made_ready, open_base
from groundup.recipe.base_tokenizer import base_path
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.tokens.tokenizer import Tokenizer


def starting_model(settings: Recipe, tokenizer: Tokenizer, folder: Path) -> ModelFiles:
    """The network to be trained: a new one, or the base, whose weights stay as they are beside adapters."""
    seed = settings.training.seed
    if not settings.model.base:
        config = with_vocabulary(settings.model.network(), tokenizer.vocab_size)
        require_memory(config)
        torch.manual_seed(seed)
        return ModelFiles(Transformer(config), tokenizer)
    base = open_base(settings, folder)
    name, sha256 = base_path(settings.model.base, folder), weights_sha256(base.model)
    model = made_ready(base, settings, tokenizer)
    if settings.training.method == "full":
        require_memory(model.config)
        return ModelFiles(model, tokenizer, name, sha256)
    _require_adapters(settings, base, tokenizer)
    add_lora(model, settings.training.lora, seed)
    return ModelFiles(model, tokenizer, name, sha256, settings.training.lora)


def _require_adapters(settings: Recipe, base: LanguageModel, tokenizer: Tokenizer) -> None:
    """Raise `SettingError` where adapters would have to learn new tokens, `MachineError` where they can't fit into memory."""
    if tokenizer.vocab_size > base.tokenizer.vocab_size:
        name = "fim_rate" if settings.data.fim_rate else "language_tags"
        raise SettingError(
            f"data.{name}",
            getattr(settings.data, name),
            f"the tokenizer of {settings.model.base} lacks the tokens for it, and adapters can't learn new ones: leave it out, or "
            'use training.method = "full"',
        )
    lora, there = settings.training.lora, memory_bytes()
    needed = 16 * adapter_parameters(base.model.config, lora)
    if needed > there > 0:
        raise MachineError(
            f"adapters of rank {lora.rank:,} need about {needed / 1e9:,.0f} GB to train, and this machine has "
            f"{there / 1e9:,.0f} GB: lower training.lora.rank"
        )


def with_vocabulary(config: TransformerConfig, vocab_size: int) -> TransformerConfig:
    """The network's settings with the tokenizer's vocabulary; an explicit size must have room for it."""
    if 0 < config.vocab_size < vocab_size:
        raise SettingError(
            "model.vocab_size", config.vocab_size, f"the tokenizer has {vocab_size} tokens; use 0 to take its size"
        )
    return replace(config, vocab_size=config.vocab_size or vocab_size)


def require_memory(config: TransformerConfig) -> None:
    """Raise `MachineError` if the weights, their gradients and the optimizer's moments can't fit into memory."""
    parameters, there = parameter_counts(config)["total"], memory_bytes()
    needed = 16 * parameters
    if needed > there > 0:
        sizes = {name: getattr(config, name) for name in ("vocab_size", "d_model", "d_ff", "num_layers", "max_seq_len")}
        raise MachineError(
            f"a network of {parameters:,} parameters needs about {needed / 1e9:,.0f} GB to train, and this machine has "
            f"{there / 1e9:,.0f} GB: lower one of {', '.join(f'model.{name} = {size}' for name, size in sizes.items())}"
        )

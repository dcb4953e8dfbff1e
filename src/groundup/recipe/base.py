"""The model that a training starts from: found, opened, and made ready for it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from groundup.config import require
from groundup.errors import ModelError, SettingError
from groundup.language_model import LanguageModel
from groundup.model.dropout import set_dropout
from groundup.model.transformer import Transformer
from groundup.recipe.base_tokenizer import base_path, require_context
from groundup.recipe.settings import Recipe
from groundup.tokens.tokenizer import Tokenizer


def open_base(settings: Recipe, folder: Path) -> LanguageModel:
    """The base with its tokenizer, on the CPU. Raises `SettingError` where its context is shorter than the recipe's rows, or a weight
    of it is no number: one that no row of the training looks at would go unnoticed into the tuned model."""
    name = settings.model.base
    try:
        base = LanguageModel.load(base_path(name, folder), device="cpu")
    except ModelError as error:
        raise SettingError("model.base", name, str(error)) from None
    require_context(settings, base.model.config.max_seq_len)
    for tensor, weight in base.model.named_parameters():
        lowest, highest = torch.aminmax(weight.detach())  # a NaN is both
        require(
            math.isfinite(lowest) and math.isfinite(highest),
            "model.base",
            name,
            f"its weights are damaged, {tensor} holds NaN or Inf: take another",
        )
    return base


def made_ready(base: LanguageModel, settings: Recipe, tokenizer: Tokenizer) -> Transformer:
    """The base's network with the recipe's dropout, and with room for the tokens that `tokenizer` has more."""
    model = grown(base.model, tokenizer.vocab_size)
    set_dropout(model, settings.model.dropout, feed_forward=model.config.preset == "classic")
    model.config = replace(model.config, dropout=settings.model.dropout)
    return model


def grown(model: Transformer, vocab_size: int) -> Transformer:
    """The same network, with room for at least so many tokens. New ones begin as the mean of all, so that they are no surprise
    to the rest (Hewitt 2021, Initializing New Word Embeddings for Pretrained Language Models)."""
    config = model.config
    if vocab_size <= config.vocab_size:
        return model
    larger = Transformer(replace(config, vocab_size=vocab_size))
    state, old = larger.state_dict(), model.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            known = old[name]
            if known.shape == tensor.shape:
                tensor.copy_(known)
            else:
                tensor[: len(known)] = known
                tensor[len(known) :] = known.mean(dim=0)
    return larger.eval()

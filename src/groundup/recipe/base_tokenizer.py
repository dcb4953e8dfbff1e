"""What is known of the model that a training starts from without its weights and without torch: its tokenizer and its context."""

from __future__ import annotations

import json
from pathlib import Path

from groundup.errors import ModelError, SettingError
from groundup.language_model.locate import find_model
from groundup.model.adapter_config import is_adapter
from groundup.recipe.settings import Recipe
from groundup.tokens.tokenizer import Tokenizer

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")
"""What config.json calls the context: most families, GPT-2, our own classic."""


def base_path(name: str, folder: Path) -> str:
    """`model.base` as it is found from where we are: a relative path begins at `folder`; names of models stay as they are."""
    there = folder / name
    return str(there.absolute()) if there.exists() else name


def tokenizer_of_base(settings: Recipe, folder: Path) -> Tokenizer:
    """The base's tokenizer, without its weights. Raises `SettingError` where the recipe's rows are longer than the base's context."""
    name = settings.model.base
    try:
        whole = with_tokenizer = find_model(base_path(name, folder))
        if is_adapter(whole):  # whose tokenizer may be its own base's
            from groundup.language_model.adapters import tokenizer_directory, with_bases

            whole, with_tokenizer = with_bases(whole)[-1], tokenizer_directory(whole)
        require_context(settings, _context(whole / "config.json"))
        return Tokenizer.load(with_tokenizer)
    except ModelError as error:
        raise SettingError("model.base", name, str(error)) from None


def _context(config: Path) -> int | None:
    """How many tokens a model reads at most, of its config.json. What is missing or damaged is told when the model is opened."""
    try:
        values = json.loads(config.read_bytes())
        return next((values[key] for key in CONTEXT_KEYS if type(values.get(key)) is int), None)
    except (OSError, ValueError, RecursionError, AttributeError):
        return None


def require_context(settings: Recipe, context: int | None) -> None:
    """Raise `SettingError` where a context, if it is known, is shorter than the recipe's rows."""
    wanted = settings.model.max_seq_len
    if context is not None and wanted > context:
        advice = f"{settings.model.base} has a context of {context} tokens; use at most so many"
        raise SettingError("model.max_seq_len", wanted, advice)

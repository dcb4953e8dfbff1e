"""The tokenizer of the model that a training starts from; neither its weights nor torch are needed for it."""

from __future__ import annotations

from pathlib import Path

from groundup.errors import ModelError, SettingError
from groundup.language_model.locate import find_model
from groundup.model.adapter_config import is_adapter
from groundup.recipe.settings import Recipe
from groundup.tokens.tokenizer import Tokenizer


def base_path(name: str, folder: Path) -> str:
    """`model.base` as it is found from where we are: a relative path begins at `folder`; names of models stay as they are."""
    there = folder / name
    return str(there.absolute()) if there.exists() else name


def tokenizer_of_base(settings: Recipe, folder: Path) -> Tokenizer:
    """The base's tokenizer, without its weights."""
    name = settings.model.base
    try:
        directory = find_model(base_path(name, folder))
        if is_adapter(directory):  # whose tokenizer may be its own base's
            from groundup.language_model.adapters import tokenizer_directory

            directory = tokenizer_directory(directory)
        return Tokenizer.load(directory)
    except ModelError as error:
        raise SettingError("model.base", name, str(error)) from None

"""An adapter as a model: the base that it names, found and opened, with the adapter merged into it."""

from __future__ import annotations

import os
from pathlib import Path

from groundup.errors import DataError, ModelError
from groundup.language_model.locate import find_model
from groundup.model.adapter import base_name_of, load_adapter
from groundup.model.adapter_config import ADAPTER_CONFIG_FILE, is_adapter
from groundup.model.directory import load_model
from groundup.model.lora import remove_lora
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import STATE_FILE
from groundup.text.catalogue import MODELS
from groundup.text.remote import HUB, HUB_NAME, is_hub_id
from groundup.tokens.tokenizer import TOKENIZER_FILE


def with_bases(directory: Path) -> list[Path]:
    """A directory that `find_model` gave and, of an adapter, its base, whose base follows if it is an adapter, too. The last is whole.

    Raises `ModelError` where a base can't be found.
    """
    directories = [directory]
    while is_adapter(directories[-1]):
        base = _base_of(directories[-1])
        if base.resolve() in {known.resolve() for known in directories}:
            raise ModelError(
                f"{directories[-1]} names itself as its base; write the model that it was trained on into its config"
            )
        directories.append(base)
    return directories


def open_model(directory: Path) -> Transformer:
    """The model of a directory that `find_model` gave: a whole one, or a base with its adapter merged; on the CPU, in evaluation mode.

    Raises `ModelError` where a base or an adapter can't be used, or they don't belong together.
    """
    *adapters, whole = with_bases(directory)
    model = load_model(whole)
    for adapter in reversed(adapters):
        load_adapter(model, adapter)
        remove_lora(model, merge=True)
    return model


def tokenizer_directory(directory: Path) -> Path:
    """Where the tokenizer of a directory that `find_model` gave is: in itself, or, of an adapter without one, in its base."""
    directories = with_bases(directory)
    return next((one for one in directories if (one / TOKENIZER_FILE).is_file()), directories[-1])


def _base_of(adapter: Path) -> Path:
    """A base is named by a path, which begins at the adapter's folder or at the working one, or as MODEL is on the command line."""
    name = base_name_of(adapter)
    written = (adapter / STATE_FILE).is_file()  # a checkpoint is what was written, or damaged
    advice = "put it back" if written else f"name it in {adapter / ADAPTER_CONFIG_FILE}, base_model_name_or_path"
    if not name:
        raise ModelError(f"{adapter} is an adapter that doesn't say of which model; {advice}")
    for path in (adapter / name, Path(name)):
        if os.path.exists(path):  # which says no where a Path raises: a name may be longer than any file's
            return find_model(path)
    if name in MODELS or is_hub_id(name):
        return find_model(name)
    reason = "which is not here"
    if HUB_NAME.fullmatch(name):
        try:
            return find_model(HUB + name)
        except DataError as error:
            reason = f"which is not here, and {error}"
    raise ModelError(f"{adapter} is an adapter of {name}, {reason}; where you have it, {advice}")

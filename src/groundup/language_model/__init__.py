"""A model with its tokenizer: text in, text out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundup.language_model.model import GroundupWarning, LanguageModel, load
    from groundup.language_model.score import Score

__all__ = ["GroundupWarning", "LanguageModel", "Score", "load"]


def __getattr__(name: str) -> Any:
    """Import on first use: where a model lies is told without loading torch (`locate`)."""
    if name not in __all__:
        raise AttributeError(f"module 'groundup.language_model' has no attribute {name!r}")
    return getattr(import_module(f"groundup.language_model.{'score' if name == 'Score' else 'model'}"), name)

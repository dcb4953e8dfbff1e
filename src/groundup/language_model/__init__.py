"""A model with its tokenizer: text in, text out."""

from groundup.language_model.model import GroundupWarning, LanguageModel, load
from groundup.language_model.score import Score

__all__ = ["GroundupWarning", "LanguageModel", "Score", "load"]

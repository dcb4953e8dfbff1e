"""From a recipe to the tokens that it trains on and is measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from groundup.recipe.settings import Recipe
from groundup.text.cache import cache_directory
from groundup.text.collect import collect
from groundup.tokens.prepare import PreparedData, prepare


def prepare_data(settings: Recipe, folder: Path, say: Callable[[str], None]) -> PreparedData:
    """Read the recipe's sources and prepare them, or find them prepared in the cache. `say` gets warnings.

    Relative sources, and a relative path of a tokenizer, begin at `folder`.
    """
    cache = cache_directory()
    documents = collect(settings.data, cache, say, folder)
    window, batch_size = settings.model.max_seq_len, settings.training.batch_size
    return prepare(documents, settings.data, settings.tokenizer, window, batch_size, cache, say, folder)

"""From a recipe to the tokens that it trains on and is measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from groundup.recipe.base_tokenizer import tokenizer_of_base
from groundup.recipe.settings import Recipe
from groundup.text.cache import cache_directory
from groundup.text.collect import collect, collected
from groundup.text.remote import is_here
from groundup.text.selection import select
from groundup.text.splits import plan_split
from groundup.tokens.chat_templates import with_template
from groundup.tokens.prepare import PreparedData, prepare, prepared_before
from groundup.tokens.prepare_examples import examples_before, prepare_examples
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.sharded_ids import TokenIds
from groundup.tokens.tokenizer import Tokenizer

Prepared = PreparedData | PreparedExamples


def prepare_recipe(
    settings: Recipe, folder: Path, say: Callable[[str], None], tokenizer: Tokenizer | None = None
) -> Prepared:
    """What a recipe trains on: a text, or rows that an objective asks for. `say` gets warnings; relative sources begin at `folder`.

    `tokenizer`: that of the run that the recipe made, which needs its base no longer.
    """
    objective = settings.training.objective
    if objective == "language_model":
        return prepare_data(settings, folder, say, tokenizer)
    window, batch_size = settings.model.max_seq_len, settings.training.batch_size
    tokenizer = tokenizer or tokenizer_for_rows(settings, folder)
    return prepare_examples(settings.data, tokenizer, objective, window, batch_size, cache_directory(), say, folder)


def found_prepared(settings: Recipe, folder: Path) -> Prepared | None:
    """What `prepare_recipe` gives, if it has been prepared before; None otherwise. Fetches and prepares nothing."""
    window, batch_size, cache = settings.model.max_seq_len, settings.training.batch_size, cache_directory()
    if settings.training.objective != "language_model":
        tokenizer = tokenizer_for_rows(settings, folder)
        return examples_before(settings.data, tokenizer, settings.training.objective, window, batch_size, cache, folder)
    store = collected(settings.data, cache, folder)
    if store is None:
        return None
    base = settings.model.base
    kind = TokenizerSettings("existing", base) if base else settings.tokenizer
    if not is_here(kind.path, cache):
        return None
    existing = tokenizer_of_base(settings, folder) if base else None
    return prepared_before(store, settings.data, kind, window, batch_size, cache, folder, existing)


def tokenizer_for_rows(settings: Recipe, folder: Path) -> Tokenizer:
    """The base's tokenizer with the recipe's template. Where all weights are trained it may get the special tokens that it lacks."""
    may_grow = settings.training.method == "full"
    return with_template(tokenizer_of_base(settings, folder), settings.data.template, may_grow=may_grow)


def prepare_data(
    settings: Recipe, folder: Path, say: Callable[[str], None], of_run: Tokenizer | None = None
) -> PreparedData:
    """Read the recipe's sources and prepare them, or find them prepared in the cache. `say` gets warnings.

    Relative sources, and a relative path of a tokenizer, begin at `folder`. `of_run` stands for the base's tokenizer, as above.
    """
    cache = cache_directory()
    documents = collect(settings.data, cache, say, folder)
    window, batch_size = settings.model.max_seq_len, settings.training.batch_size
    tokenizer, existing = settings.tokenizer, None
    if settings.model.base:
        tokenizer = TokenizerSettings("existing", settings.model.base)
        existing = of_run or tokenizer_of_base(settings, folder)
    return prepare(documents, settings.data, tokenizer, window, batch_size, cache, say, folder, existing)


def plain_training_ids(prepared: PreparedData, settings: Recipe, folder: Path, say: Callable[[str], None]) -> TokenIds:
    """(tokens,) the training documents as they are, each with its end token: none of them turned for fill-in-the-middle.

    `prepared` is what `prepare_data` gave for the same settings and folder.
    """
    if not prepared.train.num_turned:
        return prepared.train.ids
    store = collect(settings.data, cache_directory(), say, folder)
    split = plan_split(store, select(store, settings.data.duplicates), settings.data)
    end = np.array([prepared.tokenizer.end_id], np.int32)  # there is one: fill-in-the-middle asks for it
    texts = (document.text for document in split.train_documents(store))
    return np.concatenate([ids for text in texts for ids in (prepared.tokenizer.encode_array(text), end)])

"""Language tags: special tokens such as `<|lang_de|>` that open a document and say which language it is in.

A model that read them in training writes in the language that is asked for by its tag (Johnson et al. 2017, Google's Multilingual
Neural Machine Translation System, §3, asks a translator for its target language so; Keskar et al. 2019, CTRL, a language model
for a kind of text).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from groundup.errors import DataError, GenerationError
from groundup.tokens.tokenizer import Tokenizer

TAG = re.compile(r"<\|lang_([A-Za-z0-9_-]+)\|>")


def tag_of(language: str) -> str:
    """The tag of a language, e.g. of `de`. Raises `DataError` for a name that is more than letters, digits, - and _."""
    tag = f"<|lang_{language}|>"
    if not TAG.fullmatch(tag):
        raise DataError(
            f"a document says that its language is {language!r}, which makes no tag: use a code such as de or zh-Hant"
        )
    return tag


def tag_ids(tokenizer: Tokenizer, languages: Iterable[str]) -> list[int]:
    """The id of each language's tag, in a tokenizer that has them all."""
    ids = [tokenizer.token_id(tag_of(language)) for language in languages]
    assert None not in ids
    return [number for number in ids if number is not None]


def tagged_languages(tokenizer: Tokenizer) -> dict[str, int]:
    """The languages that a tokenizer has tags for, each with its tag's id."""
    found = {
        match[1]: number for token, number in tokenizer.special_tokens().items() if (match := TAG.fullmatch(token))
    }
    return dict(sorted(found.items()))


def opening(tokenizer: Tokenizer, language: str) -> list[int]:
    """What stands before a text in this language, as it stood in training: the end of the text before it, and the tag.

    Raises `GenerationError` for a language that the tokenizer has no tag for.
    """
    tags = tagged_languages(tokenizer)
    if language not in tags:
        known = (
            f"it has {', '.join(tags)}" if tags else "it was trained without language tags, so leave the language out"
        )
        raise GenerationError(f"the model has no tag for the language {language!r}: {known}")
    return [*([] if tokenizer.end_id is None else [tokenizer.end_id]), tags[language]]

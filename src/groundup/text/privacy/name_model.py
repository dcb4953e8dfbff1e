"""Persons' names by a named-entity model: a spaCy pipeline that the user has installed (extra `names`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from groundup.errors import DataError, MissingExtraError
from groundup.text.privacy.finding import SHAPE, Finding

PERSONS = ("PERSON", "PER", "persName", "Person")
PIECE = 100_000  # characters that the pipeline reads at once


@lru_cache(maxsize=2)
def load_pipeline(name: str) -> Any:
    """The pipeline with what it needs to tell entities. Raises `MissingExtraError` without spaCy, `DataError` without the pipeline."""
    try:
        import spacy
    except ModuleNotFoundError:
        raise MissingExtraError("privacy.names = 'model'", "names") from None
    try:
        pipeline = spacy.load(
            name, exclude=["parser", "tagger", "lemmatizer", "attribute_ruler", "senter", "morphologizer"]
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"privacy.names_model = {name!r} cannot be loaded ({str(error).splitlines()[0]}): install that spaCy pipeline, "
            "name the folder of one, or use privacy.names=context"
        ) from None
    if "ner" not in pipeline.pipe_names and "transformer" not in pipeline.pipe_names:
        raise DataError(
            f"privacy.names_model = {name!r} knows no entities: it has no part called ner; name another pipeline"
        )
    return pipeline


def find_names_by_model(text: str, model: str) -> Iterator[Finding]:
    """What the pipeline takes for a person, cut at line ends."""
    pipeline = load_pipeline(model)
    for offset in range(0, len(text), PIECE):
        for entity in pipeline(text[offset : offset + PIECE]).ents:
            if entity.label_ in PERSONS:
                line = entity.text.split("\n", 1)[0].rstrip()
                if line and not any(character.isdigit() or character in "<>@" for character in line):
                    start = offset + entity.start_char
                    yield Finding("name", "model", start, start + len(line), SHAPE)

"""What is trained on and what is held out: a pure function of the documents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from groundup.errors import DataError
from groundup.text.settings import DataSettings
from groundup.text.sources import Document

AUTO_DOCUMENTS = 10


def resolve_split(documents: Sequence[Document], settings: DataSettings) -> Literal["documents", "tail"]:
    """What `auto` comes to: whole documents when there are 10 or more, else the tail of each."""
    if settings.split != "auto":
        return settings.split
    return "documents" if len(documents) >= AUTO_DOCUMENTS else "tail"


def split_documents(documents: Sequence[Document], settings: DataSettings) -> tuple[list[Document], list[Document]]:
    """Divide documents into (training, validation), each in the order given.

    `documents` holds out a document when its sha256, read as a fraction in [0, 1), is below `validation_fraction`:
    adding a document moves no other, and two copies of one text land on the same side. At least one document stays on
    each side. `tail` holds out the end of each document: training gets its first `int(length * (1 -
    validation_fraction))` characters. Raises `DataError` when either side would be empty.
    """
    if resolve_split(documents, settings) == "documents":
        train, validation = _split_by_hash(documents, settings.validation_fraction)
    else:
        train, validation = _split_tails(documents, settings.validation_fraction)
    characters = sum(len(document.text) for document in documents)
    have = f"the text's {characters:,} characters in {len(documents)} document{'s' if len(documents) != 1 else ''}"
    if not validation:
        raise DataError(
            f"the validation split of {have} is empty: add text"
            f"{', use data.split=tail' if resolve_split(documents, settings) != 'tail' else ''}, "
            f"or raise data.validation_fraction (now {settings.validation_fraction!r})"
        )
    if not train:
        raise DataError(
            f"the training split of {have} is empty: add text, use data.split=tail, "
            f"or lower data.validation_fraction (now {settings.validation_fraction!r})"
        )
    return train, validation


def _split_by_hash(documents: Sequence[Document], fraction: float) -> tuple[list[Document], list[Document]]:
    if len(documents) < 2:
        return list(documents), []
    hashes = [_hash_fraction(document.text) for document in documents]
    held_out = {index for index, value in enumerate(hashes) if value < fraction}
    if not held_out:
        held_out = {index for index, value in enumerate(hashes) if value == min(hashes)}  # copies stay together
    elif len(held_out) == len(documents):
        held_out = {index for index, value in enumerate(hashes) if value != max(hashes)}
    train = [document for index, document in enumerate(documents) if index not in held_out]
    return train, [document for index, document in enumerate(documents) if index in held_out]


def _hash_fraction(text: str) -> float:
    """The first 53 bits of the text's sha256 as a number in [0, 1), exactly."""
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11) / 2**53


def _split_tails(documents: Sequence[Document], fraction: float) -> tuple[list[Document], list[Document]]:
    train, validation = [], []
    for document in documents:
        cut = int(len(document.text) * (1 - fraction))
        train.append(replace(document, text=document.text[:cut]))
        validation.append(replace(document, text=document.text[cut:]))
    return [document for document in train if document.text], [document for document in validation if document.text]

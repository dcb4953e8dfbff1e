"""Which source, or which language, each document is of: what shares of a mixture are told by, and counts of tokens."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.text.document_store import DocumentStore
from groundup.text.settings import DataSettings
from groundup.text.splits import Split
from groundup.tokens.store import TokenStore

UNKNOWN = "unknown"


def group_documents(store: DocumentStore, split: Split, data: DataSettings) -> tuple[list[str], NDArray[np.int64]]:
    """The groups' names, and (documents,) the number of each document's group: sources in their order, languages by name.

    Raises `DataError` when languages are asked for and no document has one.
    """
    if data.mix_by == "source":
        return list(store.facts["sources"]), store.index["source"].astype(np.int64)
    chosen = split.train | split.validation
    found: dict[str, int] = {}  # in the order in which they come
    in_order = array(
        "q",
        (
            found.setdefault(document.metadata.get("language") or UNKNOWN, len(found))
            for document in store.documents(chosen)
        ),
    )
    names = sorted(found)
    if names == [UNKNOWN]:
        raise DataError(
            "data.mix_by = 'language', and no document says which language it is in: give rows a column `language`, or "
            "have it identified (docs/training-data.md)"
        )
    numbers = np.zeros(len(chosen), np.int64)
    numbers[chosen] = np.array([names.index(name) for name in found], np.int64)[np.frombuffer(in_order, np.int64)]
    return names, numbers


def training_texts(
    store: DocumentStore, split: Split, numbers: NDArray[np.int64], together: bool
) -> tuple[Iterator[str], NDArray[np.int64]]:
    """The training texts and (texts,) their groups; in the order of the store, or those of a group `together`."""
    groups = numbers[split.train]
    if not together or bool((np.diff(groups) >= 0).all()):
        return (document.text for document in split.train_documents(store)), groups
    parts = [replace(split, train=split.train & (numbers == group)) for group in np.unique(groups)]
    return (document.text for part in parts for document in part.train_documents(store)), np.sort(groups)


def tokens_by_group(store: TokenStore, names: list[str]) -> dict[str, int]:
    """How many tokens of each group a store holds."""
    lengths = np.diff(store.ends, prepend=0)
    return {name: int(lengths[store.groups == number].sum()) for number, name in enumerate(names)}

"""What is trained on and what is held out: a pure function of the documents' hashes and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore
from groundup.text.duplicates.split import held_out
from groundup.text.selection import Selection
from groundup.text.settings import DataSettings

AUTO_DOCUMENTS = 10

Kind = Literal["documents", "tail"]


@dataclass(frozen=True)
class Split:
    """Which documents, or which part of each, belong to either side."""

    kind: Kind
    train: NDArray[np.bool_]
    """(documents,) those that training reads something of."""
    validation: NDArray[np.bool_]
    """(documents,) those that something is held out of: with `tail` nearly the same."""
    cuts: NDArray[np.int64]
    """(documents,) with `tail`, how many characters of each are trained on; else empty."""

    def train_documents(self, store: DocumentStore) -> Iterator[Document]:
        """What is trained on, in order."""
        for place, document in zip(np.flatnonzero(self.train), store.documents(self.train), strict=True):
            yield replace(document, text=document.text[: self.cuts[place]]) if self.kind == "tail" else document

    def validation_documents(self, store: DocumentStore) -> Iterator[Document]:
        """What is held out, in order."""
        for place, document in zip(np.flatnonzero(self.validation), store.documents(self.validation), strict=True):
            yield replace(document, text=document.text[self.cuts[place] :]) if self.kind == "tail" else document

    def characters(self, index: NDArray[Any]) -> dict[str, int]:
        """How many characters either side has."""
        lengths = index["characters"]
        if self.kind == "tail":
            train, validation = self.cuts[self.train].sum(), (lengths - self.cuts)[self.validation].sum()
        else:
            train, validation = lengths[self.train].sum(), lengths[self.validation].sum()
        return {"train": int(train), "validation": int(validation)}


def all_of(store: DocumentStore) -> Split:
    """All documents for training, none held out: for what needs no validation."""
    every = np.ones(len(store.index), np.bool_)
    return Split("documents", every, ~every, np.zeros(0, np.int64))


def resolve_split(num_documents: int, settings: DataSettings) -> Kind:
    """What `auto` comes to: whole documents when there are 10 or more, or some are named, else the tail of each."""
    if settings.validation_source:
        return "documents"
    if settings.split != "auto":
        return settings.split
    return "documents" if num_documents >= AUTO_DOCUMENTS else "tail"


def plan_split(store: DocumentStore, selection: Selection, settings: DataSettings) -> Split:
    """Divide those documents of a store that are kept.

    `documents` holds out a document when its sha256, read as a fraction in [0, 1), is below `validation_fraction`, and with it
    those that belong together with it: adding a document that is like no other moves none, and duplicates land on the same
    side (`held_out` tells exactly what moves when). At least one document stays on each side. `tail` holds out the end of each
    document: training gets its first `int(length * (1 -
    validation_fraction))` characters. With `validation_source` its documents are held out, and no other. Raises `DataError` when
    either side would be empty.
    """
    kept = selection.kept
    kind = resolve_split(int(kept.sum()), settings)
    lengths = store.index["characters"]
    cuts, num_groups = np.zeros(0, np.int64), 0
    if kind == "documents":
        validation = np.zeros(len(kept), np.bool_)
        if settings.validation_source:
            validation = kept & (store.index["source"] >= store.facts["training_sources"])
        else:
            _, cluster = np.unique(selection.first[kept], return_inverse=True)
            num_groups = int(cluster.max(initial=-1)) + 1
            validation[kept] = held_out(store.digests[kept, :8], cluster, settings.validation_fraction)
        train = kept & ~validation
    else:
        cuts = (lengths * (1 - settings.validation_fraction)).astype(np.int64)
        train, validation = kept & (cuts > 0), kept & (cuts < lengths)
    count, characters = int(kept.sum()), int(lengths[kept].sum())
    if settings.validation_source and not validation.any():
        raise DataError(
            f"data.validation_source = {settings.validation_source!r} has no document that training doesn't read as well: "
            "name another text"
        )
    have = f"the text's {characters:,} characters in {count} document{'s' if count != 1 else ''}"
    if num_groups == 1 and count > 1:
        raise DataError(
            f"{have} are copies of one another, or nearly, and such stay on one side: keep one of them with "
            "data.duplicates.near=drop, use data.split=tail, or add other text"
        )
    if not validation.any():
        raise DataError(
            f"the validation split of {have} is empty: add text"
            f"{', use data.split=tail' if kind != 'tail' else ''}, "
            f"or raise data.validation_fraction (now {settings.validation_fraction!r})"
        )
    if not train.any():
        raise DataError(
            f"the training split of {have} is empty: add text, use data.split=tail, "
            f"or lower data.validation_fraction (now {settings.validation_fraction!r})"
        )
    return Split(kind, train, validation, cuts)

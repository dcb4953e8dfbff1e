"""Which documents of a store stay, and which belong together: exact and near-duplicates."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundup.files import naming
from groundup.text.document_store import DocumentStore
from groundup.text.duplicates.clusters import near_duplicates
from groundup.text.duplicates.exact import exact_duplicates
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import open_signatures

EXACT, NEAR = "exact duplicate", "near-duplicate"


@dataclass(frozen=True)
class Selection:
    """What becomes of the documents of a store."""

    first: NDArray[np.int64]
    """(documents,) the first document of each one's cluster of duplicates: itself, if there is none before it."""
    dropped: dict[str, NDArray[np.bool_]]
    """For each reason (documents,) those that are dropped for it."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(documents,) those that stay."""
        return np.asarray(~np.any(list(self.dropped.values()), axis=0))

    def removed(self, store: DocumentStore) -> Iterator[dict[str, str]]:
        """Each dropped document: id, source, reason, and which document it repeats."""
        chosen = ~self.kept
        names: dict[int, str] = {}  # of documents that are repeated
        repeated = np.zeros(len(chosen), np.bool_)
        repeated[self.first[chosen]] = True
        for place, document in zip(np.flatnonzero(repeated | chosen), store.documents(repeated | chosen), strict=True):
            if repeated[place]:
                names[int(place)] = document.id
            if chosen[place]:
                reason = EXACT if self.dropped[EXACT][place] else NEAR
                detail = f"of {names[int(self.first[place])]}"
                yield {"id": document.id, "source": document.source, "reason": reason, "detail": detail}


def select(store: DocumentStore, settings: DuplicateSettings) -> Selection:
    """Look for documents that repeat one before them. Copies always belong together; near-duplicates when they are looked for."""
    digests = store.digests
    exact = exact_duplicates(digests)
    first = exact
    if settings.near != "off" and len(digests):
        with _one_file(store) as file:
            first = near_duplicates(open_signatures(file, settings), settings, exact)
    itself = np.arange(len(digests))
    copies = exact != itself
    alike = (first != itself) & ~copies
    nothing = np.zeros(len(digests), np.bool_)
    near = settings.near == "drop"  # copies are as near as can be
    return Selection(first, {EXACT: copies if settings.exact or near else nothing, NEAR: alike if near else nothing})


@contextmanager
def _one_file(store: DocumentStore) -> Iterator[Path]:
    """The shards' signatures one after the other in a file beside them, for as long as it is needed."""
    with naming(store.directory), tempfile.NamedTemporaryFile(dir=store.directory, prefix=".signatures-") as file:
        for signatures in store.signatures():
            file.write(np.ascontiguousarray(signatures).data)
        file.flush()
        yield Path(file.name)

"""A folder of prepared documents: what `groundup data prepare` writes, a person can read, and training takes as a source.

documents-00000.jsonl   one document a line: id, text, source, license, metadata
removed.jsonl           one removed document a line: id, source, reason, detail
prepared.json           settings, every count and example, what the documents are made of; hashes of the files above
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from groundup.config import as_plain
from groundup.errors import DataError, MachineError
from groundup.files import fsync_directory, replacing, sha256_file
from groundup.text.composition import compose
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore, document_line, shard_file
from groundup.text.prepared_file import PREPARED
from groundup.text.selection import EXACT, NEAR, Selection
from groundup.text.settings import DataSettings
from groundup.text.steps import IN_ORDER
from groundup.text.tally import Tally

FORMAT_VERSION = 1
FILE_BYTES = 256 * 2**20


def require_new_folder(output: Path) -> None:
    """Raise `DataError` when something is there already."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output} is there already and is not an empty folder: name a new one with --output")


def write_prepared(
    store: DocumentStore,
    selection: Selection,
    settings: DataSettings,
    output: Path,
    language: Any,
    write_page: Callable[[dict[str, Any], Path], None],
) -> dict[str, Any]:
    """Write the documents that stay, a list of those that don't, and the counts; what `prepared.json` holds.

    `write_page` is given that and the folder, to put a page into it.
    All of it is written beside the folder and renamed: `output` is whole, or isn't there. Raises `DataError` when it holds something.
    """
    require_new_folder(output)
    partial = output.absolute().with_name(f".{output.absolute().name}-partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        tally = Tally.from_plain(store.facts["tally"])
        composition = compose(_written(store.documents(selection.kept), partial), language)
        with replacing(partial / "removed.jsonl") as file:
            for row in store.removed():
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            for row in selection.removed(store):
                tally.drop(row["reason"], row["id"], row["source"], "", row["detail"])
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        facts = {
            "format": FORMAT_VERSION,
            "settings": as_plain(settings),
            "funnel": funnel(tally, store, selection),
            "tally": {**tally.as_plain(), "kept": composition.documents, "kept_characters": composition.characters},
            "unreadable": store.facts.get("unreadable", {}),
            "unreadable_examples": store.facts.get("unreadable_examples", {}),
            "left_out": store.facts.get("left_out", {}),
            "composition": composition.as_plain(),
            "hashes": {file.name: sha256_file(file) for file in sorted(partial.iterdir())},
        }
        with replacing(partial / PREPARED) as file:
            file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode())
        write_page(facts, partial)
        if output.exists():
            output.rmdir()
        os.rename(partial, output)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise MachineError(
                f"{output} cannot be written ({error.strerror or error}): name a folder on a disk with room, that you may write to"
            ) from error
        raise
    fsync_directory(output.absolute().parent)
    return facts


def funnel(tally: Tally, store: DocumentStore, selection: Selection) -> list[dict[str, Any]]:
    """What was left after each step that changed something: its name, documents, characters; the first row is what was read."""
    lengths = store.index["characters"]
    left = np.ones(len(lengths), np.bool_)
    steps: list[tuple[str, int, int]] = [("read", tally.documents, tally.characters)]
    for name in IN_ORDER:
        documents, characters = tally.left.get(name, (0, 0))
        steps.append((name, documents, characters))
    for reason in (EXACT, NEAR):
        left = left & ~selection.dropped[reason]
        steps.append((f"without {reason}s", int(left.sum()), int(lengths[left].sum())))
    steps = [step for place, step in enumerate(steps) if not place or step[1:] != steps[place - 1][1:]]
    return [
        {"step": name, "documents": documents, "characters": characters}
        for name, documents, characters in (*steps, ("kept", *steps[-1][1:]))
    ]


def _written(documents: Iterator[Document], folder: Path) -> Iterator[Document]:
    """Documents as they pass on their way into files of a bounded size."""
    number = 0
    document = next(documents, None)
    while document is not None:
        with replacing(shard_file(folder, "documents", number, ".jsonl")) as file:
            while document is not None and file.tell() < FILE_BYTES:
                file.write(document_line(document))
                yield document
                document = next(documents, None)
        number += 1

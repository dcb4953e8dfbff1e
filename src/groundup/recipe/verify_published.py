"""The end of the chain: what was measured, and what lies beside a model for those who get it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from groundup.errors import RunError
from groundup.files import sha256_file
from groundup.recipe.link import Link
from groundup.report.card import CARD_FILE, is_as_written, named_evidence
from groundup.report.evidence import EVIDENCE_FOLDER
from groundup.run.directory import MODEL_FOLDER, RunDirectory
from groundup.run.files import checksum, read_json
from groundup.run.measurements import hash_model, measurement_files, read_measurement


def nothing_added(name: str, folder: Path, files: Collection[str]) -> Link:
    """Whether a folder of weights holds no file that nobody hashed: whoever opens it may read that one."""
    added = sorted(path.name for path in folder.iterdir() if path.name not in files and not _is_of_people(path))
    return Link(name, "broken", f"{added[0]} was added: nothing that the run wrote") if added else Link(name, "whole")


def _is_of_people(path: Path) -> bool:
    """A file that people read, or Git does, and no program that opens a model."""
    return path.suffix == ".md" or path.name.startswith(("LICENSE", "NOTICE", ".git"))


def measured_links(directory: RunDirectory, known: Mapping[str, str] | None) -> Iterator[Link]:
    """What was measured, and of which model. `known`: the manifest's hashes of these files; None of a run older than that record."""
    there = {path.relative_to(directory.path).as_posix(): path for path in measurement_files(directory)}
    hashed = cache(hash_model)
    for name, path in there.items():
        try:
            model = read_measurement(path)["model"]
        except RunError as error:
            yield Link(name, "broken", str(error))
            continue
        folder = directory.path / model["folder"]
        if known is not None and known.get(name) != sha256_file(path):
            yield Link(name, "broken", "it is not what the manifest names: measure again")
        elif not folder.is_dir():
            yield Link(name, "not here", f"the model that was measured, {model['folder']}, was deleted")
        elif hashed(folder) != model["files"]:
            yield Link(name, "broken", f"{model['folder']} is not the model that was measured: measure it again")
        else:
            yield Link(name, "not recorded" if known is None else "whole")
    for name in sorted(set(known or {}) - set(there)):
        yield Link(name, "not here", "it was measured, and deleted")


def published_links(directory: RunDirectory) -> Iterator[Link]:
    """What lies beside the model for people: the card, and copies of the files that its figures come from."""
    model = directory.path / MODEL_FOLDER
    name = f"{MODEL_FOLDER}/{CARD_FILE}"
    if not (model / CARD_FILE).is_file():
        yield Link(name, "not here", "groundup card writes it anew")
    elif not is_as_written(model / CARD_FILE):
        yield Link(name, "other", "somebody has edited it, or an older Groundup wrote it")
    else:
        yield Link(name, "whole")
    yield _evidence(directory, model / EVIDENCE_FOLDER)


def _evidence(directory: RunDirectory, folder: Path) -> Link:
    name, anew = f"{MODEL_FOLDER}/{EVIDENCE_FOLDER}", "groundup card copies it anew"
    if not folder.is_dir():
        return Link(name, "not here", anew)
    copies = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    lacking = sorted(named_evidence(folder.parent / CARD_FILE) - {place.as_posix() for place in copies})
    if lacking:
        return Link(name, "not here", f"{lacking[0]}, which the card names, was deleted: {anew}")
    originals = {place: directory.path / place for place in copies if (directory.path / place).is_file()}
    same = [place for place, file in originals.items() if sha256_file(file) == sha256_file(copies[place])]
    others = [place for place in copies if place not in same]
    for place in others:
        if place not in originals or not _holds_its_checksum(copies[place]):
            return Link(name, "broken", f"{place} is damaged, or no file of the run's: {anew}")
    return Link(name, "other", f"{others[0]} is not the run's as it is now: {anew}") if others else Link(name, "whole")


def _holds_its_checksum(file: Path) -> bool:
    try:
        value = read_json(file)
    except RunError:
        return False
    return bool(value.pop("checksum", None) == checksum(value))

"""`verify`: every link from the raw bytes to the model, hashed again and held against what the run wrote down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from groundup.config import build, read_toml
from groundup.errors import GroundupError, RunError
from groundup.files import sha256_file
from groundup.model.adapter import weights_sha256
from groundup.recipe.base import open_base
from groundup.recipe.data import Prepared, prepare_recipe
from groundup.recipe.identity import code_sha256, data_hashes, fingerprint
from groundup.recipe.settings import Recipe
from groundup.run.checkpoints import (
    STATE_FILE,
    checkpoint_path,
    list_checkpoints,
    read_state,
    step_of,
    verify_checkpoint,
)
from groundup.run.directory import MANIFEST_FILE, MODEL_FOLDER, RECIPE_FILE, RESULT_FILE, RunDirectory
from groundup.run.files import without_infinities
from groundup.run.measurements import hash_model, measurement_files, read_measurement
from groundup.run.records import begins_with
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.settings import DataSettings
from groundup.text.sources import files_hash, find_sources
from groundup.tokens.tokenizer import TOKENIZER_FILE, Tokenizer

State = Literal["whole", "broken", "not here", "not recorded", "other"]


@dataclass(frozen=True)
class Link:
    """One link of the chain, looked at."""

    name: str
    """What it is: a file of the run, or something that the run was made of."""
    state: State
    """`whole`: as it was written down. `broken`: it is not. `not here`: it can't be had now. `not recorded`: the run is older than the
    record. `other`: this Groundup is not the one that made the run, which breaks nothing but a replay."""
    detail: str = ""


def verify(run: str | Path) -> list[Link]:
    """The links in the order of the work. After the first broken one no more are looked at: what follows from it proves nothing.

    Raises `RunError` when `run` isn't a run.
    """
    directory = RunDirectory(Path(run))
    if not directory.started:
        raise RunError(f"{run} is not a run: it has no {MANIFEST_FILE}; name a folder that `groundup train` made")
    links: list[Link] = []
    for link in _links(directory):
        links.append(link)
        if link.state == "broken":
            break
    return links


def _links(directory: RunDirectory) -> Iterator[Link]:
    try:
        manifest = directory.manifest()
    except RunError as error:
        yield Link(MANIFEST_FILE, "broken", str(error))
        return
    yield _manifest(directory)
    yield _recipe(directory, manifest)
    settings = build(Recipe, read_toml(directory.path / RECIPE_FILE))
    folder = directory.working_folder()
    yield _code(manifest)
    if settings.model.base:
        yield _base(settings, folder, manifest)
    try:
        yield from _sources(settings.data, folder, manifest["data"])
        data: Prepared | None = prepare_recipe(settings, folder, _silent, _tokenizer_of_base(settings, directory))
    except GroundupError as error:
        yield Link("the texts", "not here", str(error))
        data = None
    if data is not None:
        yield from _data(manifest, data)
    yield from _checkpoints(directory, settings, manifest, data)
    yield from _records(directory)
    if directory.finished:
        yield from _result(directory)
    yield from _measurements(directory)


def _manifest(directory: RunDirectory) -> Link:
    """The manifest's own checksum fits; does it fit what was made after it?"""
    told = {path.name: _manifest_of(partial(read_state, path)) for path in list_checkpoints(directory.path)}
    if directory.finished:
        told[RESULT_FILE] = _manifest_of(directory.result)
    for name, made_of in told.items():
        if made_of is not None and made_of != directory.made_of():
            return Link(MANIFEST_FILE, "broken", f"it was changed since {name} was written, whose manifest it is not")
    if told and not any(told.values()):
        return Link(MANIFEST_FILE, "not recorded", "its checksum fits; what was made after it doesn't name it")
    return Link(MANIFEST_FILE, "whole")


def _manifest_of(read: Callable[[], Mapping[str, Any]]) -> str | None:
    """The manifest that a file was written under; of a damaged file none, for its own link tells of that."""
    try:
        return read().get("manifest")
    except RunError:
        return None


def _recipe(directory: RunDirectory, manifest: Mapping[str, Any]) -> Link:
    file = directory.path / RECIPE_FILE
    if not file.is_file():
        return Link(RECIPE_FILE, "broken", "it is missing")
    whole = sha256_file(file) == manifest["hashes"]["recipe"]
    return Link(RECIPE_FILE, "whole") if whole else Link(RECIPE_FILE, "broken", "it was changed after the run began")


def _code(manifest: Mapping[str, Any]) -> Link:
    name = f"Groundup {manifest.get('groundup_version')}"
    known = manifest.get("code_sha256")
    if known is None:
        return Link(name, "not recorded")
    here = code_sha256()
    return (
        Link(name, "whole")
        if here == known
        else Link(name, "other", f"its files' hash is {known[:12]}…, that of those installed here {here[:12]}…")
    )


def _base(settings: Recipe, folder: Path, manifest: Mapping[str, Any]) -> Link:
    name, known = f"base {settings.model.base}", (manifest["model"].get("base") or {}).get("sha256")
    try:
        here = weights_sha256(open_base(settings, folder).model)
    except GroundupError as error:
        return Link(name, "not here", str(error))
    return Link(name, "whole") if here == known else Link(name, "broken", "its weights are others than those tuned")


def _tokenizer_of_base(settings: Recipe, directory: RunDirectory) -> Tokenizer | None:
    """As the run keeps it, so that its base need not be there."""
    kept = [directory.path / MODEL_FOLDER, *list_checkpoints(directory.path)]
    there = [folder for folder in kept if (folder / TOKENIZER_FILE).is_file()]
    return Tokenizer.load(there[0]) if settings.model.base and there else None


def _sources(data: DataSettings, folder: Path, facts: Mapping[str, Any]) -> Iterator[Link]:
    """The raw bytes of each source."""
    known = {source["name"]: source for source in facts["sources"]}
    for name in (data.source, *([data.validation_source] if data.validation_source else [])):
        for source in find_sources(replace(data, source=name), cache_directory(), _silent, folder):
            of_run = known.get(source.name, {})
            told = f"source {source.name}"
            if source.files is None:
                here, recorded = CATALOGUE[source.name].sha256, of_run.get("archive_sha256", "")
            else:
                here, recorded = files_hash(source), of_run.get("files_sha256")
            if recorded is None:
                yield Link(told, "not recorded")
            elif here != recorded:
                yield Link(told, "broken", "its bytes are others than those that the run read")
            else:
                yield Link(told, "whole")


def _data(manifest: Mapping[str, Any], data: Prepared) -> Iterator[Link]:
    """What is made of the sources: made again, or found in the cache, whose files are hashed when it is opened."""
    known, facts = manifest["data"], json.loads(json.dumps(without_infinities(dict(data.facts))))
    changed = sorted(key for key in {*known, *facts} if known.get(key) != facts.get(key))
    name = "what was kept, dropped and replaced"
    if changed:
        yield Link(name, "broken", f"made again, {', '.join(changed[:3])} are others than the manifest says")
        return
    yield Link(name, "whole")
    for part, value in data_hashes(data).items():
        whole = manifest["hashes"].get(part) == value
        yield Link(part.replace("_", " "), "whole" if whole else "broken", "" if whole else "made again, it is another")


def _checkpoints(
    directory: RunDirectory, settings: Recipe, manifest: Mapping[str, Any], data: Prepared | None
) -> Iterator[Link]:
    base = (manifest["model"].get("base") or {}).get("sha256", "")
    made_with = {"recipe": manifest["hashes"]["recipe"], "tokenizer": manifest["hashes"]["tokenizer"]}
    if data is not None:
        made_with = fingerprint(settings, data, base)
    known = manifest["checkpoints"]
    for checkpoint in list_checkpoints(directory.path):
        if checkpoint.name not in known:
            yield Link(checkpoint.name, "broken", "the manifest doesn't name it")
            continue
        try:
            verify_checkpoint(checkpoint, known[checkpoint.name], made_with)
        except RunError as error:
            yield Link(checkpoint.name, "broken", str(error))
        else:
            yield Link(checkpoint.name, "whole")


def _records(directory: RunDirectory) -> Iterator[Link]:
    """The lines that led to the newest checkpoint."""
    checkpoints = list_checkpoints(directory.path)
    marks = read_state(checkpoints[-1]).get("records", {}) if checkpoints else {}
    for name, mark in marks.items():
        whole = begins_with(directory.path / name, mark["bytes"], mark["sha256"])
        broken = f"its lines up to {checkpoints[-1].name} are not those that were written"
        yield Link(name, "whole" if whole else "broken", "" if whole else broken)


def _result(directory: RunDirectory) -> Iterator[Link]:
    """The published model: the best checkpoint's weights."""
    try:
        result = directory.result()
    except RunError as error:
        yield Link(RESULT_FILE, "broken", str(error))
        return
    yield Link(RESULT_FILE, "whole")
    of = result.get("checkpoint")
    if of is not None:
        best = checkpoint_path(directory.path, step_of(Path(of["name"])))
        if not (best / STATE_FILE).is_file():
            yield Link(f"{of['name']}, the best", "not here", "it was deleted")
        elif sha256_file(best / STATE_FILE) != of["sha256"]:
            yield Link(f"{of['name']}, the best", "broken", "it is not the one that the model was made from")
    try:
        directory.verify_model()
    except RunError as error:
        yield Link(MODEL_FOLDER, "broken", str(error))
    else:
        yield Link(MODEL_FOLDER, "whole")


def _measurements(directory: RunDirectory) -> Iterator[Link]:
    """What was measured, and of which model."""
    for path in measurement_files(directory):
        name = path.relative_to(directory.path).as_posix()
        try:
            model = read_measurement(path)["model"]
        except RunError as error:
            yield Link(name, "broken", str(error))
            continue
        folder = directory.path / model["folder"]
        if not folder.is_dir():
            yield Link(name, "not here", f"the model that was measured, {model['folder']}, was deleted")
        elif hash_model(folder) != model["files"]:
            yield Link(name, "broken", f"{model['folder']} is not the model that was measured: measure it again")
        else:
            yield Link(name, "whole")


def _silent(text: str) -> None:
    """What preparing has to say was said when the run began."""

"""`verify`: every link from the raw bytes to the model, hashed again and held against what the run wrote down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from groundup.config import build, read_toml
from groundup.errors import GroundupError, RunError
from groundup.files import sha256_file
from groundup.model.adapter import weights_sha256
from groundup.recipe.base import open_base
from groundup.recipe.data import Prepared, prepare_recipe
from groundup.recipe.identity import FORMAT_VERSION, code_sha256, data_hashes, fingerprint
from groundup.recipe.link import Link
from groundup.recipe.settings import Recipe
from groundup.recipe.verify_published import measured_links, nothing_added, published_links
from groundup.report.evidence import EVIDENCE_FOLDER
from groundup.report.page import REPORT_FILE, page_is_as_written
from groundup.run.checkpoints import (
    STATE_FILE,
    checkpoint_path,
    list_checkpoints,
    read_state,
    step_of,
    verify_checkpoint,
)
from groundup.run.directory import (
    EVENTS_FILE,
    MANIFEST_FILE,
    MODEL_FOLDER,
    RECIPE_FILE,
    RESULT_FILE,
    RunDirectory,
)
from groundup.run.files import without_infinities
from groundup.run.records import begins_with
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.settings import DataSettings
from groundup.text.sources import files_hash, find_sources
from groundup.tokens.tokenizer import TOKENIZER_FILE, Tokenizer


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
    if manifest.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{directory.path / MANIFEST_FILE} has format version {manifest.get('format_version')!r}; this version of Groundup reads "
            f"{FORMAT_VERSION}: verify it with the one that made it, {manifest.get('groundup_version')}"
        )
    yield _manifest(directory)
    yield _recipe(directory, manifest)
    yield _code(manifest)
    data: Prepared | None = None
    try:
        settings = build(Recipe, read_toml(directory.path / RECIPE_FILE))
        folder = directory.working_folder()
        if settings.model.base:
            yield _base(settings, folder, manifest)
        yield from _sources(settings.data, folder, manifest.get("data", {}))
        data = prepare_recipe(settings, folder, _silent, _tokenizer_of_base(settings, directory))
    except GroundupError as error:
        yield Link("the texts, and what is made of them", "not here", str(error))
    if data is not None:
        yield from _data(manifest, data)
    made_with = {name: manifest.get("hashes", {}).get(name) for name in ("recipe", "tokenizer")}
    if data is not None:
        made_with = fingerprint(directory, data, (manifest.get("model", {}).get("base") or {}).get("sha256", ""))
    yield from _checkpoints(directory, manifest.get("checkpoints", {}), made_with)
    yield from _records(directory)
    yield from _report(directory)
    if directory.finished or (directory.path / RESULT_FILE).is_file():
        yield from _result(directory)
    yield from measured_links(directory, manifest.get("measurements"))
    if directory.finished:
        yield from published_links(directory)


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
    whole = sha256_file(file) == manifest.get("hashes", {}).get("recipe")
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
    name, known = f"base {settings.model.base}", (manifest.get("model", {}).get("base") or {}).get("sha256")
    try:
        here = weights_sha256(open_base(settings, folder).model)
    except RunError as error:  # the base is a run's model, and not as that run wrote it
        return Link(name, "broken", str(error))
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
    known = {source["name"]: source for source in facts.get("sources", [])}
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
    known, facts = manifest.get("data", {}), json.loads(json.dumps(without_infinities(dict(data.facts))))
    changed = sorted(key for key, value in known.items() if not _holds(facts.get(key), value))
    name = "what was kept, dropped and replaced"
    if changed:
        yield Link(name, "broken", f"made again, {', '.join(changed[:3])} are others than the manifest says")
        return
    yield Link(name, "whole")
    for part, value in data_hashes(data).items():
        whole = manifest.get("hashes", {}).get(part) == value
        yield Link(part.replace("_", " "), "whole" if whole else "broken", "" if whole else "made again, it is another")


def _holds(made: object, known: object) -> bool:
    """Whether all that was known is there again; a later Groundup may write down more."""
    if isinstance(made, dict) and isinstance(known, dict):
        return all(key in made and _holds(made[key], value) for key, value in known.items())
    if isinstance(made, list) and isinstance(known, list):
        return len(made) == len(known) and all(map(_holds, made, known))
    return made == known


def _checkpoints(directory: RunDirectory, known: Mapping[str, str], made_with: Mapping[str, Any]) -> Iterator[Link]:
    there = list_checkpoints(directory.path)
    for checkpoint in there:
        killed = checkpoint == there[-1] and not directory.finished
        if checkpoint.name not in known and not killed:
            yield Link(checkpoint.name, "broken", "the manifest doesn't name it")
            continue
        try:
            state = verify_checkpoint(checkpoint, known.get(checkpoint.name), made_with)
        except RunError as error:
            yield Link(checkpoint.name, "broken", str(error))
            continue
        if checkpoint.name not in known:
            yield Link(
                checkpoint.name, "not recorded", "training was killed before the manifest named it: --resume does"
            )
        else:
            yield nothing_added(checkpoint.name, checkpoint, {*state["files"], STATE_FILE})
    newest = max(
        known, key=lambda name: step_of(Path(name)), default=None
    )  # all others are deleted as training goes on
    if newest is not None and newest not in [checkpoint.name for checkpoint in there]:
        yield Link(newest, "not here", "it was the newest checkpoint, and was deleted")


def _records(directory: RunDirectory) -> Iterator[Link]:
    """The lines that led to the newest checkpoint, or to the end. Metrics and samples of a finished run end there."""
    checkpoints = list_checkpoints(directory.path)
    if not checkpoints:
        return
    newest, until = checkpoints[-1], f"up to {checkpoints[-1].name}"
    ended = step_of(newest) == _ended_at(directory)
    marks, to_the_end = read_state(newest).get("records", {}), _records_at_the_end(directory)
    if to_the_end:
        marks, until = to_the_end, "up to the end of training"
    for name, mark in marks.items():
        file, goes_on = directory.path / name, name == EVENTS_FILE or not ended
        if not begins_with(file, mark["bytes"], mark["sha256"]):
            yield Link(name, "broken", f"its lines {until} are not those that were written")
        elif not goes_on and file.stat().st_size != mark["bytes"]:
            yield Link(name, "broken", f"lines were added to those {until}, where training ended")
        else:
            yield Link(name, "whole", "" if file.stat().st_size == mark["bytes"] else f"its lines {until}")


def _ended_at(directory: RunDirectory) -> int | None:
    """The step that training ended at; None of a run that goes on, or whose result is damaged, of which its own link tells."""
    try:
        return int(directory.result()["steps"]) if directory.finished else None
    except RunError:
        return None


def _records_at_the_end(directory: RunDirectory) -> dict[str, Any]:
    """What the result knows of them; nothing of a run that goes on, of an older one, or where the result is damaged."""
    try:
        return dict(directory.result().get("records", {})) if directory.finished else {}
    except RunError:
        return {}


def _report(directory: RunDirectory) -> Iterator[Link]:
    """The page, which people read and nothing else does."""
    page = directory.path / REPORT_FILE
    if page.is_file() and not page_is_as_written(page):
        yield Link(
            REPORT_FILE,
            "other",
            "it is damaged, somebody has edited it, or an older Groundup wrote it: --resume writes it anew",
        )
    elif page.is_file():
        yield Link(REPORT_FILE, "whole")
    elif directory.finished:
        yield Link(REPORT_FILE, "not here", "--resume writes it anew")


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
    if not (directory.path / MODEL_FOLDER).is_dir():
        yield Link(
            MODEL_FOLDER, "not here", "it was deleted, or training was killed before it stood: --resume writes it"
        )
        return
    try:
        directory.verify_model()
    except RunError as error:
        yield Link(MODEL_FOLDER, "broken", str(error))
    else:
        files, folder = result.get("model_files"), directory.path / MODEL_FOLDER
        if files is None:
            yield Link(MODEL_FOLDER, "not recorded")
        else:
            yield nothing_added(MODEL_FOLDER, folder, {*files, EVIDENCE_FOLDER})


def _silent(text: str) -> None:
    """What preparing has to say was said when the run began."""

"""What a run is made of, written into its manifest, and the checks that a resumed run is still made of it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import groundup
from groundup.config import as_plain, build, read_toml
from groundup.device import describe_machine, precision_on
from groundup.errors import RunError
from groundup.files import sha256_file, sha256_text
from groundup.model.counts import parameter_counts, training_flops
from groundup.model.lora import parameter_split
from groundup.recipe.data import Prepared
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.run.directory import CAME_LATER, RECIPE_FILE, RunDirectory, now
from groundup.training.privacy.plan import PrivacyPlan
from groundup.training.ranks import ALONE, Ranks
from groundup.training.schedules import with_steps

LIBRARIES = ("torch", "numpy", "safetensors", "tokenizers", "pydantic")
FORMAT_VERSION = 1


def describe_run(
    settings: Recipe,
    recipe_text: str,
    folder: Path,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    peak_flops: float,
    privacy: PrivacyPlan | None,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """The manifest of a run that begins now."""
    config = files.model.config
    trainable, _ = parameter_split(files.model)
    adapters = trainable if files.lora else None
    base = {"name": files.base, "sha256": files.base_sha256} if files.base else None
    return {
        "format_version": FORMAT_VERSION,
        "groundup_version": groundup.__version__,
        "code_sha256": code_sha256(),
        "created": now(),
        "working_folder": str(folder.absolute()),
        "seed": settings.training.seed,
        "max_steps": with_steps(settings.training, data.plan.num_rows).max_steps,
        "parent_run": None,
        "libraries": library_versions(),
        "machine": describe_machine(device),
        "matmul_flops_per_second": peak_flops,
        "num_threads": ranks.threads(settings.training.num_threads),
        "processes": ranks.size,
        "precision": precision_on(device, settings.training.precision),
        "model": {
            "family": config.preset,
            "config": asdict(config),
            "parameters": parameter_counts(config),
            "trainable": trainable,
            "base": base,
            "training_flops_per_token": training_flops(
                config, 1, min(config.max_seq_len, settings.model.max_seq_len), adapter_parameters=adapters
            ),
        },
        "data": data.facts,
        "privacy": privacy.record() if privacy else None,
        "hashes": {"recipe": sha256_text(recipe_text), **data_hashes(data)},
        **{name: {} for name in CAME_LATER},
    }


def library_versions() -> dict[str, str]:
    """Python's version, and those of the libraries that a training's numbers come from."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def code_sha256() -> str:
    """One hash over Groundup's own Python files, as they are installed here, and their names."""
    folder = Path(groundup.__file__).parent
    files = sorted(file for file in folder.rglob("*.py"))
    return sha256_text(json.dumps([(file.relative_to(folder).as_posix(), sha256_file(file)) for file in files]))


def fingerprint(directory: RunDirectory, data: Prepared, base_sha256: str) -> dict[str, str]:
    """What a checkpoint must have been made with to belong to a run; in every checkpoint's state.

    The recipe is the run's file, as it was when it began: a later Groundup has settings that aren't in there.
    """
    made_with = {"recipe": directory.manifest()["hashes"]["recipe"], "tokenizer": data.tokenizer.sha256}
    return {**made_with, "data": data.train.sha256, **({"base": base_sha256} if base_sha256 else {})}


def data_hashes(data: Prepared) -> dict[str, str]:
    """Hashes of all that prepared data consists of, as the manifest names them."""
    return {
        "tokenizer": data.tokenizer.sha256,
        "train_tokens": data.train.sha256,
        "validation_tokens": data.validation.sha256,
        "plan": data.plan.sha256,
    }


def require_same_recipe(directory: RunDirectory, settings: Recipe) -> None:
    """Raise `RunError` if the run was begun with another recipe, naming the first settings that differ."""
    file = directory.path / RECIPE_FILE
    manifest = directory.manifest()
    if not file.is_file() or sha256_file(file) != manifest.get("hashes", {}).get("recipe"):
        raise RunError(
            f"{file} is missing or was changed after the run began, so going on would not give the run it describes: restore it, "
            "or start a new run with --run DIR"
        )
    there = _flat(as_plain(build(Recipe, read_toml(file))))
    wanted = _flat(as_plain(settings))
    if settings.training.memory_budget and settings.training.accumulation_steps <= there["training.accumulation_steps"]:
        wanted["training.accumulation_steps"] = there["training.accumulation_steps"]  # the budget had it raised
    different = [
        f"{name} is {there.get(name)!r} there and {wanted.get(name)!r} here"
        for name in wanted
        if wanted[name] != there.get(name) and not name.startswith("parallel.")  # a run may go on in other processes
    ]
    if different:
        raise RunError(
            f"{directory.path} was begun with another recipe ({'; '.join(different[:3])}): "
            "go on with the same settings, or start a new run with --run DIR"
        )


def require_same_base(directory: RunDirectory, files: ModelFiles) -> None:
    """Raise `RunError` if the model that the run began as has other weights now."""
    known = directory.manifest().get("model", {}).get("base") or {}
    if files.base and known.get("sha256") != files.base_sha256:
        raise RunError(
            f"{files.base} has not the weights that {directory.path} was begun with, so going on would not give the same run: "
            "restore it, or start a new run with --run DIR"
        )


def require_same_data(directory: RunDirectory, data: Prepared, going_on: bool = False) -> None:
    """Raise `RunError` if text or tokenizer are not those that the run was begun with, naming what changed. `going_on`: to train on, and
    not to look at what was trained."""
    manifest = directory.manifest()
    known = manifest.get("hashes", {})
    changed = [name for name, value in data_hashes(data).items() if known.get(name) != value]
    if not changed:
        return
    before = {source["name"]: source["sha256"] for source in manifest.get("data", {}).get("sources", [])}
    sources = [source["name"] for source in data.facts["sources"] if before.get(source["name"]) != source["sha256"]]
    sources += sorted(set(before) - {source["name"] for source in data.facts["sources"]})
    what = f"the text of {', '.join(sources[:3])}" if sources else " and ".join(changed)
    advice = ": restore it"
    if going_on:
        advice = ", so going on would not give the same run: restore it, or start a new run with --run DIR"
    raise RunError(f"{what} is not what {directory.path} was begun with{advice}")


def _flat(plain: dict[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, keys in plain.items() for key, value in keys.items()}

"""What privacy costs and what it hides: one recipe that learns its documents by heart, trained with less and less ε.

    .venv/bin/python -m benchmarks.private_training.experiment --text tinyshakespeare.txt [--folder FOLDER] [--only none,control]
        [--output FILE] [--picture FILE]

Documents of a few lines of one text, without near-duplicates, dealt out at random: half of the first part is trained on, half held out,
and so of the second. Five models of characters:

    none       trained as usual on the first part, with canaries: secrets that stand in 1, 10 and 100 places
    control    the same on the second part, with other secrets
    inf, 8, 2  as none, with DP-SGD: ε = ∞ (clipped, without noise), 8 and 2

Each is asked for its loss on what it held out, for the exposure of the first part's canaries (each among all secrets), and whether the
loss tells documents of the first part that were trained on from those that were held out: by itself, and by how far it lies below the
control's. The control saw neither, so it shows what there is to see without a model. With --folder, what was done before an interruption
is not done again. The page's table: `.venv/bin/python -m benchmarks.private_training.page`.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.memorization.texts import write_rows
from benchmarks.private_training.picture import picture
from benchmarks.result import busy_cores, output_file, show, text_file, write

from groundup.files import replacing
from groundup.recipe.audit import audit
from groundup.recipe.audit_settings import read_audit_settings
from groundup.recipe.evaluate import evaluate
from groundup.recipe.train import train
from groundup.run.directory import RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.collect import collect
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.selection import select
from groundup.text.settings import DataSettings

NUM_DOCUMENTS = 3000  # of either part
DOCUMENT = 100  # characters, at least
DUPLICATES = DuplicateSettings(near="drop", threshold=0.4, shingle_words=3)
SETTINGS: dict[str, Any] = {
    "data.validation_fraction": 0.5,
    "data.packing": "documents",
    "data.canaries.count": 20,
    "data.canaries.copies": [1, 10],
    "data.canaries.digits": 4,
    "model.d_model": 96,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.max_seq_len": 192,
    "training.max_steps": 240,
    "training.batch_size": 100,
    "training.length_warmup_fraction": 0.0,
    "training.optimizer": "muon",
    "training.learning_rate": 0.007,
    "training.matrix_learning_rate": 0.03,
    "training.eval_steps": 1_000_000,  # at the end alone, so that no earlier checkpoint is kept as the best
    "training.logging_steps": 20,
    "training.sample_tokens": 0,
    "evaluation.max_tokens": 0,
}
FIRST = {"part": "first", "data.canaries.seed": 1}
MODELS: dict[str, dict[str, Any]] = {
    "control": {"part": "second", "data.canaries.seed": 2},
    "none": FIRST,
    "inf": {**FIRST, "training.privacy.epsilon": float("inf")},
    "8": {**FIRST, "training.privacy.epsilon": 8.0},
    "2": {**FIRST, "training.privacy.epsilon": 2.0},
}
FIGURES = (
    "loss",
    "exposure_0_copies",
    "exposure_1_copies",
    "exposure_10_copies",
    "auc_loss",
    "tpr_loss",
    "auc_reference",
    "tpr_reference",
)


def main() -> None:
    """Train, ask, and show a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=text_file, required=True)
    parser.add_argument("--folder", type=Path, help="where the runs are kept, and found again")
    parser.add_argument("--only", default=",".join(MODELS), help="some of the models")
    parser.add_argument("--output", type=output_file)
    parser.add_argument("--picture", type=output_file, help="the figures as an SVG")
    options = parser.parse_args()
    busy = busy_cores()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = documents(options.text.read_text(encoding="utf-8"), folder)
        write_rows(folder / "first.jsonl", found[:NUM_DOCUMENTS])
        write_rows(folder / "second.jsonl", found[NUM_DOCUMENTS : 2 * NUM_DOCUMENTS])
        models = {name: found_of(name, folder) for name in options.only.split(",")}
    rows = [{"model": name, **shown(model)} for name, model in models.items()]
    show("privacy", {column: column for column in rows[0]}, rows, {})
    write(options.output, "benchmarks.private_training.experiment", busy, {"settings": SETTINGS, "models": models})
    if options.picture:
        options.picture.write_text(picture(models), encoding="utf-8")


def documents(text: str, folder: Path) -> list[str]:
    """Lines one after the other until there are `DOCUMENT` characters, without near-duplicates, shuffled."""
    found, so_far = list[str](), ""
    for line in text.splitlines(keepends=True):
        so_far += line
        if len(so_far) >= DOCUMENT:
            found.append(so_far)
            so_far = ""
    write_rows(folder / "all.jsonl", found)
    store = collect(DataSettings(source=str(folder / "all.jsonl"), duplicates=DUPLICATES), cache_directory(), print)
    found = [document.text for document in store.documents(select(store, DUPLICATES).kept)]
    random.Random(0).shuffle(found)
    return found


def found_of(name: str, folder: Path) -> dict[str, Any]:
    """What is found of one of the models, or was found before."""
    file = folder / f"{name}.json"
    if not file.exists():
        found = figures_of(name, folder)
        with replacing(file) as written:
            written.write(json.dumps(found).encode())
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def figures_of(name: str, folder: Path) -> dict[str, Any]:
    """Train one of the models, or find it trained, and ask it."""
    run = trained(name, folder)
    other = {"data_of": trained("none", folder)} if name == "control" else {"reference": trained("control", folder)}
    asked = [f"memorization.row_tokens={DOCUMENT}", *(f"memorization.{key}={value}" for key, value in other.items())]
    asked += [f"memorization.rows={NUM_DOCUMENTS}", "memorization.candidates=0"]
    found = audit(run, ("canaries", "membership"), read_audit_settings(None, asked), say=print)
    canaries, membership = (found[kind].as_plain()["figures"] for kind in ("canaries", "membership"))
    measured = {**canaries, **membership, "loss": evaluate(run)["intervals"]["loss"]}
    plan, result = RunDirectory(run).manifest()["privacy"] or {}, RunDirectory(run).result()
    return {
        "noise": plan.get("noise_multiplier"),
        "delta": plan.get("delta"),
        "epsilon": (result["privacy"] or {}).get("epsilon"),
        "steps": result["steps"],
        "highest_exposure": canaries["highest_exposure_bits"],
        "trained_rows": membership["trained_rows"],
        "unseen_rows": membership["unseen_rows"],
        "figures": {name: measured.get(name) for name in FIGURES},
    }


def trained(name: str, folder: Path) -> Path:
    """The run of one of the models, trained or found trained."""
    own = dict(MODELS[name])
    own["data.source"] = str((folder / f"{own.pop('part')}.jsonl").absolute())
    run = train("shakespeare", {**SETTINGS, **own}, run=folder / name, resume=True)
    if not run.finished:
        raise SystemExit(f"{run.path} was interrupted: the same command with --folder {folder} goes on with it")
    return run.path


def shown(model: Mapping[str, Any]) -> dict[str, str]:
    """A model's figures as texts."""
    return {
        name: f"{each['value']:.2f} [{each['low']:.2f}, {each['high']:.2f}]" if each else "–"
        for name, each in model["figures"].items()
    }


if __name__ == "__main__":
    main()

"""What privacy costs and what it hides: small models of the same texts and secrets, trained with less and less ε.

    .venv/bin/python -m benchmarks.private_training.experiment --text tinyshakespeare.txt [--folder FOLDER] [--only none,8]
        [--output FILE] [--picture FILE]

Documents of a line or two of one text, of which a third is held out, and canaries in them: secrets in 1, 10 and 100 documents
each. Four models of characters: one trained as usual, and three with DP-SGD: ε = ∞ (clipped, without noise), 8 and 2. Each is asked for
its loss on what was held out, for the exposure of the canaries, and whether its losses tell documents that it was trained on, without
the canaries that lay among them, from those that were held out. The latter are those of a run of one step, whose split is the same.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import BOTTOM, ROW, TOP, WIDTH, Bar, BarChart, bar_chart
from benchmarks.memorization.texts import write_rows
from benchmarks.result import busy_cores, output_file, show, text_file, write

from groundup.files import replacing
from groundup.recipe.audit import audit
from groundup.recipe.audit_settings import read_audit_settings
from groundup.recipe.evaluate import evaluate
from groundup.recipe.train import train
from groundup.run.directory import RunDirectory

NUM_DOCUMENTS = 4500
DOCUMENT = 60  # characters, at least
SETTINGS: dict[str, Any] = {
    "data.validation_fraction": 0.33,
    "data.packing": "documents",
    "data.canaries.count": 10,
    "data.canaries.copies": [1, 10, 100],
    "data.canaries.seed": 1,
    "model.d_model": 64,
    "model.num_layers": 1,
    "model.num_heads": 1,
    "model.max_seq_len": 128,
    "training.max_steps": 150,
    "training.batch_size": 256,
    "training.length_warmup_fraction": 0.0,
    "training.optimizer": "muon",
    "training.learning_rate": 0.007,
    "training.matrix_learning_rate": 0.02,
    "training.eval_steps": 150,
    "training.logging_steps": 50,
    "training.sample_tokens": 0,
    "evaluation.max_tokens": 0,
}
WITHOUT_CANARIES: dict[str, Any] = {
    "data.canaries.count": 0,
    "training.max_steps": 1,
    "tokenizer.kind": "existing",
}
PRIVATE: dict[str, dict[str, Any]] = {
    "none": {},
    "inf": {"training.privacy.epsilon": float("inf")},
    "8": {"training.privacy.epsilon": 8.0},
    "2": {"training.privacy.epsilon": 2.0},
}
NAMES = {"none": "not private", "inf": "ε = ∞ (clipped)", "8": "ε = 8", "2": "ε = 2"}
COPIES = (0, 1, 10, 100)


def main() -> None:
    """Train, ask, and show a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=text_file, required=True)
    parser.add_argument("--folder", type=Path, help="where the runs are kept, and found again")
    parser.add_argument("--only", default=",".join(PRIVATE), help="some of the models")
    parser.add_argument("--output", type=output_file)
    parser.add_argument("--picture", type=output_file, help="the figures as an SVG")
    options = parser.parse_args()
    busy = busy_cores()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder / "documents.jsonl", documents(options.text.read_text(encoding="utf-8")))
        usual = trained("inf", folder)
        alone = {**settings_of(folder), **WITHOUT_CANARIES, "tokenizer.path": str(usual.absolute() / "model")}
        train("shakespeare", alone, run=folder / "documents", resume=True)
        rows = [found_of(name, folder) for name in options.only.split(",")]
    show("privacy", {column: column for column in rows[0]}, [shown(row) for row in rows], {})
    write(options.output, "benchmarks.private_training.experiment", busy, {"settings": SETTINGS, "models": rows})
    if options.picture:
        options.picture.write_text(picture(rows), encoding="utf-8")


def documents(text: str) -> list[str]:
    """Lines one after the other until there are `DOCUMENT` characters, each document once, shuffled."""
    found, so_far = list[str](), ""
    for line in text.splitlines(keepends=True):
        so_far += line
        if len(so_far) >= DOCUMENT:
            found.append(so_far)
            so_far = ""
    found = list(dict.fromkeys(found))
    random.Random(0).shuffle(found)
    return found[:NUM_DOCUMENTS]


def trained(name: str, folder: Path) -> Path:
    """The run of one of the models, trained or found trained."""
    run = train("shakespeare", {**settings_of(folder), **PRIVATE[name]}, run=folder / f"epsilon-{name}", resume=True)
    return run.path


def found_of(name: str, folder: Path) -> dict[str, Any]:
    """What is found of one of the models, or was found before."""
    file = folder / f"{name}.json"
    if not file.exists():
        found = row_of(name, folder)
        with replacing(file) as written:
            written.write(json.dumps(found).encode())
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def row_of(name: str, folder: Path) -> dict[str, Any]:
    """Train one of the models, or find it trained, and ask it."""
    run = trained(name, folder)
    asked = read_audit_settings(None, ["memorization.row_tokens=60", f"memorization.data_of={folder / 'documents'}"])
    found = {**audit(run, ("canaries",)), **audit(run, ("membership",), asked)}
    canaries, membership = (found[kind].as_plain()["figures"] for kind in ("canaries", "membership"))
    plan, spent = RunDirectory(run).manifest()["privacy"] or {}, RunDirectory(run).result()["privacy"] or {}
    return {
        "model": NAMES[name],
        "documents": plan.get("num_documents"),
        "noise": plan.get("noise_multiplier"),
        "epsilon": spent.get("epsilon"),
        "loss": evaluate(run)["intervals"]["loss"],
        **{f"exposure, {copies} copies": canaries[f"exposure_{copies}_copies"] for copies in COPIES},
        "membership AUC": membership["auc_loss"],
    }


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose intervals are texts."""
    texts = dict(row) | {"epsilon": (row["epsilon"] or {}).get("prv")}
    for name, value in row.items():
        if isinstance(value, dict) and "low" in value:
            texts[name] = f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"
    return texts


def picture(rows: Sequence[Mapping[str, Any]]) -> str:
    """Loss, exposure and AUC by ε, one below the other, as an SVG file."""

    def bar(row: Mapping[str, Any], figure: str, more: str = "") -> Bar:
        value = row[figure]
        return Bar(f"{row['model']}{more}", value["value"], (value["low"], value["high"]), "ε = 8" in row["model"])

    exposures = [
        bar(row, f"exposure, {copies} copies", f", {copies} cop{'y' if copies == 1 else 'ies'}")
        for copies in COPIES[1:]
        for row in rows
    ]
    drawn = [
        (
            BarChart("What it costs: loss on held-out text", "nats a character; lower is better"),
            [bar(row, "loss") for row in rows],
        ),
        (BarChart("Exposure of planted secrets", "bits; 19.9 is all there is, 1.4 what chance gives", 1.44), exposures),
        (BarChart("Membership, by the loss", "AUC; 0.5 is chance", 0.5), [bar(row, "membership AUC") for row in rows]),
    ]
    parts, top = [], 0.0
    for chart, bars in drawn:
        height = TOP + ROW * len(bars) + BOTTOM
        parts.append(bar_chart(chart, bars).replace("<svg ", f'<svg y="{top:g}" height="{height:g}" ', 1))
        top += height + 12
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {top:g}" width="{WIDTH:g}">{"".join(parts)}</svg>\n'


def settings_of(folder: Path) -> dict[str, Any]:
    """Of every model."""
    return {**SETTINGS, "data.source": str((folder / "documents.jsonl").absolute())}


if __name__ == "__main__":
    main()

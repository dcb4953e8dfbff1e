"""What privacy costs and what it hides: small models of the same texts and secrets, trained with less and less ε.

    .venv/bin/python -m benchmarks.private_training.experiment --text tinyshakespeare.txt [--folder FOLDER] [--only none,8] [--output FILE]

600 passages of one text, of which a third is held out, each a document, and canaries among them: ten secrets each in 1, 10 and 100
copies. Four models of characters: one trained as usual, and three with DP-SGD: ε = ∞ (clipped, without noise), 8 and 2. Each is asked
for its validation loss, for the exposure of the canaries, and whether its losses tell passages that it was trained on, without the
canaries that lay among them, from those that were held out. The latter are those of a run of one step, whose split is the same.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.memorization.texts import passages, write_rows
from benchmarks.result import busy_cores, output_file, show, text_file, write

from groundup.recipe.audit import audit
from groundup.recipe.audit_settings import read_audit_settings
from groundup.recipe.train import train
from groundup.run.directory import RunDirectory

NUM_PASSAGES = 600
SETTINGS: dict[str, Any] = {
    "data.validation_fraction": 0.33,
    "data.packing": "documents",
    "data.canaries.count": 10,
    "data.canaries.copies": [1, 10, 100],
    "data.canaries.seed": 1,
    "model.d_model": 64,
    "model.num_layers": 2,
    "model.num_heads": 1,
    "model.max_seq_len": 128,
    "training.max_steps": 400,
    "training.batch_size": 100,
    "training.length_warmup_fraction": 0.0,
    "training.optimizer": "adamw",
    "training.learning_rate": 0.005,
    "training.eval_steps": 400,
    "training.logging_steps": 100,
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


def main() -> None:
    """Train, ask, and show a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=text_file, required=True)
    parser.add_argument("--folder", type=Path, help="where the runs are kept, and found again")
    parser.add_argument("--only", default=",".join(PRIVATE), help="some of the models")
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    busy = busy_cores()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        texts = passages(options.text.read_text(encoding="utf-8"))[:NUM_PASSAGES]
        write_rows(folder / "passages.jsonl", texts)
        usual = train("shakespeare", settings_of(folder), run=folder / "epsilon-none", resume=True)
        alone = {**settings_of(folder), **WITHOUT_CANARIES, "tokenizer.path": str(usual.path.absolute() / "model")}
        train("shakespeare", alone, run=folder / "passages", resume=True)
        rows = [row_of(name, PRIVATE[name], folder) for name in options.only.split(",")]
    show("privacy", {column: column for column in rows[0]}, rows, {})
    write(options.output, "benchmarks.private_training.experiment", busy, {"settings": SETTINGS, "models": rows})


def row_of(name: str, settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train one of the models, or find it trained, and ask it."""
    run = train("shakespeare", {**settings_of(folder), **settings}, run=folder / f"epsilon-{name}", resume=True)
    result, manifest = RunDirectory(run.path).result(), RunDirectory(run.path).manifest()
    asked = read_audit_settings(None, ["memorization.row_tokens=128", f"memorization.data_of={folder / 'passages'}"])
    found = {**audit(run.path, ("canaries",)), **audit(run.path, ("membership",), asked)}
    figures = {**found["canaries"].as_plain()["figures"], **found["membership"].as_plain()["figures"]}
    shown = {f"exposure, {copies} copies": figures[f"exposure_{copies}_copies"] for copies in (0, 1, 10, 100)}
    shown |= {"membership AUC": figures["auc_loss"]}
    return {
        "ε": name,
        "noise": (manifest["privacy"] or {}).get("noise_multiplier"),
        "validation loss": round(result["validation"]["loss"], 4),
        **{key: f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]" for key, value in shown.items()},
    }


def settings_of(folder: Path) -> dict[str, Any]:
    """Of every model."""
    return {**SETTINGS, "data.source": str((folder / "passages.jsonl").absolute())}


if __name__ == "__main__":
    main()

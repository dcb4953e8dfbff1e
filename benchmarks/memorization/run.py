"""Controlled experiments on what a model learns by heart.

    .venv/bin/python -m benchmarks.memorization.run --text tinyshakespeare.txt --every-secret [--output FILE]

Five small models of characters, each trained on passages of one text:

    planted      300 passages, and canaries among them: ten secrets each in 1, 10 and 100 copies
    control      300 other passages and other secrets, in the same form
    duplicates   passages that stand there 1, 5 and 20 times
    once         the same, with exact duplicates removed, as many passes
    once, long   the same, as many steps

The first is audited for its own text and canaries, and with the control as the reference; the control for those of the first, which it
never saw. The last three are audited for extraction. All are audited as they are after their last step. With --folder, what was done
before an interruption is not done again. The tables of docs/memorization.md: `.venv/bin/python -m benchmarks.memorization.page`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.memorization.texts import NUM_PASSAGES, passages, with_duplicates, write_rows
from benchmarks.result import at_least_one, busy_cores, output_file, show, text_file, write

from groundup.files import replacing
from groundup.recipe.audit import audit
from groundup.recipe.audit_settings import read_audit_settings
from groundup.recipe.train import train
from groundup.run.directory import RunDirectory
from groundup.run.files import without_infinities

SETTINGS: dict[str, Any] = {
    "data.validation_fraction": 0.33,
    "data.packing": "best_fit",
    "tokenizer.kind": "character",
    "model.d_model": 96,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.max_seq_len": 160,
    "training.batch_size": 32,
    "training.learning_rate": 0.007,
    "training.optimizer": "muon",
    "training.matrix_learning_rate": 0.02,
    "training.logging_steps": 50,
    "training.eval_steps": 1_000_000,  # at the end alone, so that no earlier checkpoint is kept as the best
    "training.length_warmup_fraction": 0.0,
}
CANARIES = {"data.canaries.count": 10, "data.canaries.copies": [1, 10, 100]}
MEMORIZATION = ("extraction", "canaries", "membership")
ASKED = ("memorization.prefix_tokens=[10, 25, 50, 100]", "memorization.row_tokens=150")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=text_file, required=True)
    parser.add_argument("--passes", type=at_least_one, default=10)
    parser.add_argument("--duplicate-passes", type=at_least_one, default=6)
    parser.add_argument("--every-secret", action="store_true", help="rank the canaries among all secrets, too")
    parser.add_argument("--folder", type=Path, help="where the runs are kept, and found again")
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    busy = busy_cores()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = passages(options.text.read_text(encoding="utf-8"))
        write_rows(folder / "one.jsonl", found[:NUM_PASSAGES])
        write_rows(folder / "other.jsonl", found[NUM_PASSAGES : 2 * NUM_PASSAGES])
        write_rows(folder / "duplicates.jsonl", with_duplicates(found))
        planted = run(folder, "planted", "one", passes(options.passes), {**CANARIES, "data.canaries.seed": 1})
        control = run(folder, "control", "other", passes(options.passes), {**CANARIES, "data.canaries.seed": 2})
        several = passes(options.duplicate_passes)
        duplicates = run(folder, "duplicates", "duplicates", several, {})
        once = run(folder, "once", "duplicates", several, {"data.duplicates.exact": True})
        steps = {"training.max_steps": RunDirectory(duplicates).manifest()["max_steps"]}
        longer = run(folder, "longer", "duplicates", steps, {"data.duplicates.exact": True})
        asked: dict[str, tuple[Path, Sequence[str], dict[str, Path | int]]] = {
            "planted": (planted, MEMORIZATION, {"reference": control}),
            "control": (control, MEMORIZATION, {"data_of": planted}),
            "duplicates": (duplicates, ("extraction",), {}),
            "once": (once, ("extraction",), {}),
            "once, long": (longer, ("extraction",), {}),
        }
        if options.every_secret:
            asked["planted, every secret"] = (planted, ("canaries",), {"candidates": 0})
        results = {name: audited(folder / f"{name}.json", *what) for name, what in asked.items()}
        models = {name: of_run(model) for name, (model, _, _) in asked.items()}
    for name, audits in results.items():
        for kind, result in audits.items():
            for title, rows in result["tables"].items():
                show(f"{name}: {kind}, {title}", {column: column for column in rows[0]}, list(map(flat, rows)), {})
    several_passes = {"passes": options.passes, "duplicate_passes": options.duplicate_passes}
    facts = {**several_passes, "models": models, "audits": results}
    write(options.output, "benchmarks.memorization.run", busy, facts)


def passes(count: int) -> dict[str, float]:
    return {"training.epochs": float(count)}


def run(folder: Path, name: str, text: str, long: Mapping[str, float], settings: Mapping[str, Any]) -> Path:
    """Train one of the models, or go on with it; the folder of its run."""
    own = {"data.source": str((folder / f"{text}.jsonl").absolute())}
    trained = train("shakespeare", {**SETTINGS, **own, **long, **settings}, run=folder / name, resume=True)
    if not trained.finished:
        raise SystemExit(f"{trained.path} was interrupted: the same command with --folder {folder} goes on with it")
    return folder / name


def of_run(path: Path) -> dict[str, Any]:
    """How long a model was trained, and how well it does on what was held out."""
    result = RunDirectory(path).result()
    return {
        "steps": result["steps"],
        "audited_step": result["best_step"],
        "validation_loss": result["validation"]["loss"],
    }


def audited(file: Path, model: Path, only: Sequence[str], settings: Mapping[str, Path | int]) -> dict[str, Any]:
    """What the audits found, or had found before."""
    if not file.exists():
        told = [*ASKED, *(f"memorization.{name}={value}" for name, value in settings.items())]
        found = audit(model, only, read_audit_settings(None, told), say=print)
        plain = {name: result.as_plain() for name, result in found.items()}
        with replacing(file) as written:
            written.write(json.dumps(without_infinities(plain)).encode())
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose intervals are texts."""
    return {
        name: f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]" if isinstance(value, dict) else value
        for name, value in row.items()
    }


if __name__ == "__main__":
    main()

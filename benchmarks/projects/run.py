"""What more training gives a project: its recipe at shares of its steps, each training with a whole schedule of its own.

    .venv/bin/python -m benchmarks.projects.run shakespeare [--shares 1/4,1/2,1] [--folder FOLDER] [--output FILE]

Of a share of the steps the rate's warm-up is the same share, and so is its way down to the end; all else is the recipe's. The model is
validated and saved at the end alone. Each is measured as the project's page measures it, and goes on from the same prompts. With
--folder, trainings that an interruption cut short go on, and finished ones are measured again. The pages' tables and pictures:
`.venv/bin/python -m benchmarks.projects.page`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.projects.measures import PROJECTS
from benchmarks.result import output_file, show, wait_until_quiet, write
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import train
from groundup.run.directory import RunDirectory


def settings_of(recipe: str, share: Fraction) -> dict[str, Any]:
    """What differs from the recipe in a training of so much of its steps."""
    training = load_recipe(recipe).training
    steps = max(1, round(share * training.max_steps))
    return {
        "training.max_steps": steps,
        "training.warmup_steps": round(share * training.warmup_steps),
        "training.eval_steps": steps,
        "training.save_steps": steps,
        "training.sample_tokens": 0,
    }


def budget(recipe: str, share: Fraction, folder: Path) -> dict[str, Any]:
    """Train for one share of the steps, and measure: a row of the table."""
    name = f"{recipe}-{share.numerator}-of-{share.denominator}"
    run = train(recipe, settings_of(recipe, share), run=folder / name, resume=True)
    if not run.finished:
        raise SystemExit(f"{run.path} was interrupted: the same command with --folder {folder} goes on with it")
    result, manifest = RunDirectory(run.path).result(), json.loads((run.path / "manifest.json").read_text("utf-8"))
    return {
        "share": str(share),
        **{key: result[key] for key in ("steps", "tokens", "seconds")},
        **{key: manifest[key] for key in ("num_threads", "precision")},
        **PROJECTS[recipe].measure(run.path),
    }


def shares(text: str) -> list[Fraction]:
    """An argument that names shares of the steps: `1/4,1/2,1`."""
    try:
        found = sorted({Fraction(part) for part in text.split(",")})
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of shares like 1/4,1/2,1") from error
    if found[0] <= 0:
        raise argparse.ArgumentTypeError(f"{found[0]} is no share of the steps: it has to be above 0")
    return found


def main() -> None:
    """Train each share of one project, and keep a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", choices=list(PROJECTS))
    parser.add_argument("--shares", type=shares, help="of the recipe's steps; those that the page has without it")
    parser.add_argument("--folder", type=Path, help="where the runs are kept, and found again")
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    wanted = options.shares or shares(PROJECTS[options.project].shares)
    busy, rows = wait_until_quiet(seconds=10), []
    with tempfile.TemporaryDirectory() as temporary:
        for share in wanted:
            rows.append(budget(options.project, share, options.folder or Path(temporary)))
            facts = {"project": options.project, "rows": rows}
            write(options.output, "benchmarks.projects.run", busy, facts)  # what there is by now
    columns = [key for key, value in rows[0].items() if isinstance(value, int | float | str)]
    show(options.project, {key: key for key in columns}, rows, {})


if __name__ == "__main__":
    main()

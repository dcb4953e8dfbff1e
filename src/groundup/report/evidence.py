"""What was measured of a run, for its card: figures with their intervals, each beside the file that it comes from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from groundup.errors import RunError
from groundup.report.facts import RunFacts
from groundup.report.pages import count, figure
from groundup.report.values import clean, listing, number, section, text, whole
from groundup.run.directory import MANIFEST_FILE, RESULT_FILE, RunDirectory
from groundup.run.files import explain_os_errors
from groundup.run.measurements import KINDS, figures_of, hash_model, measurement_files, read_measurement
from groundup.training.privacy.plan import rounded_up

EVIDENCE_FOLDER = "evidence"
MOST_FIGURES = 40
ENDS = ("value", "low", "high", "n")


@dataclass(frozen=True)
class Evidence:
    """One measurement, as the card shows it."""

    name: str
    kind: str
    """`evaluations` or `audits`."""
    file: str
    """Where it lies beside the card."""
    model: str
    """Which of the run's models was measured: `model`, or a checkpoint."""
    created: str
    rows: tuple[tuple[str, str], ...]
    """Each figure's name, and its value, interval and n."""
    more: int
    """Figures that only the file shows."""
    cannot_say: str
    """What the figures do not show, in the measurement's own words."""


def read_evidence(run: Path, notes: list[str]) -> list[Evidence]:
    """Everything that was measured, evaluations first. A damaged file is left out, and noted, and so is what was measured of weights
    that are no longer there, for the card would say it of others."""
    found, hashed = list[Evidence](), cache(hash_model)
    for path in measurement_files(RunDirectory(run)):
        try:
            measured = read_measurement(path)
        except RunError as error:
            notes.append(str(error))
            continue
        written, folder = clean(measured), run / measured["model"]["folder"]
        if folder.is_dir() and hashed(folder) != measured["model"]["files"]:
            notes.append(f"{path} is of other weights than those that are in {folder} now: measure again")
            continue
        rows = tuple(figure_rows(figures_of(written)))
        found.append(
            Evidence(
                name=text(written.get("name")),
                kind=text(written.get("kind")),
                file=f"{EVIDENCE_FOLDER}/{path.parent.name}/{path.name}",
                model=text(section(written, "model").get("folder")),
                created=text(written.get("created")),
                rows=rows[:MOST_FIGURES],
                more=len(rows[MOST_FIGURES:]),
                cannot_say=text(section(written, "figures").get("cannot_say")),
            )
        )
    return found


def figure_rows(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of all numbers in there, depth first; lists, such as a curve's points, are the file's to show."""
    for key, value in figures.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict) and set(ENDS) <= set(value):
            yield name, _interval(value)
        elif isinstance(value, dict):
            yield from figure_rows(value, f"{name}: ")
        elif number(value) is not None:
            yield name, count(value) if isinstance(value, int) else figure(value)


def _interval(value: Mapping[str, Any]) -> str:
    low, high, rows = number(value["low"]), number(value["high"]), whole(value["n"])
    between = "" if low is None or high is None else f" ({figure(low)} to {figure(high)})"
    return f"{figure(number(value['value']))}{between}, n = {count(rows)}"


def privacy_spent(facts: RunFacts) -> tuple[str, list[str]]:
    """What differential privacy a training promises, as a sentence, and what is outside of that; empty for one without."""
    spent, plan = section(facts.result, "privacy"), section(facts.manifest, "privacy")
    epsilon = {name: number(value) for name, value in section(spent, "epsilon").items()}
    if not epsilon:
        return "", []
    shown = " and ".join(
        f"ε = {'infinite' if value is None else rounded_up(value)} by {name.upper()}" for name, value in epsilon.items()
    )
    told = (
        f"Trained with differential privacy (DP-SGD): {shown}, at δ = {rounded_up(number(spent.get('delta')) or 0.0, 2)}, for each "
        f"{text(spent.get('unit')) or 'document'} that is added or removed."
    )
    return told, [text(one) for one in listing(plan, "outside")]


def copy_evidence(run: Path, directory: Path) -> None:
    """Put the files that the card's figures come from beside it, so that they travel with the model; what somebody else laid there
    stays."""
    folder = directory / EVIDENCE_FOLDER
    with explain_os_errors(folder):
        for kind in KINDS:  # measurements that are no longer the run's
            shutil.rmtree(folder / kind, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        measured = [path.relative_to(run) for path in measurement_files(RunDirectory(run))]
        # Not the recipe: it may hold a secret, the canaries' seed.
        for name in (Path(MANIFEST_FILE), Path(RESULT_FILE), *measured):
            if (run / name).is_file():
                (folder / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(run / name, folder / name)

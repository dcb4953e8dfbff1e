"""`card --gate`: whether a run may be released: thresholds in a TOML file, held against what was measured.

[result]                                     a table names a file of the run ...
"validation.perplexity" = { max = 6 }        ... and a key a figure in it, by its path
[audits.membership]
auc_loss = { max = 0.6, of = "high" }        of an interval its worst end may be meant
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from groundup.config import build, read_toml, require
from groundup.errors import RunError, SettingError
from groundup.files import sha256_file
from groundup.run.directory import MANIFEST_FILE, MODEL_FOLDER, RESULT_FILE, RunDirectory
from groundup.run.measurements import KINDS, figures_of, hash_model, read_measurement


@dataclass(frozen=True)
class Threshold:
    """What a figure has to keep to."""

    max: float | None = None
    min: float | None = None
    of: Literal["value", "low", "high"] = "value"
    """Which number of a figure that has an interval."""


@dataclass(frozen=True)
class Gate:
    """One threshold, held against its figure."""

    file: str
    figure: str
    threshold: Threshold
    value: float | None
    """None where there is no figure of the model as it is, which never passes."""
    lacking: str = "not measured"
    """Why there is none."""

    @property
    def passed(self) -> bool:
        low, high = self.threshold.min, self.threshold.max
        return self.value is not None and (low is None or self.value >= low) and (high is None or self.value <= high)

    @property
    def shown(self) -> str:
        """The figure, or why there is none."""
        return self.lacking if self.value is None else f"{self.value:g}"

    @property
    def asked(self) -> str:
        """The threshold in words."""
        asked = [f"at least {self.threshold.min:g}"] if self.threshold.min is not None else []
        asked += [f"at most {self.threshold.max:g}"] if self.threshold.max is not None else []
        return " and ".join(asked)


def check_gate(run: Path, gate: Path) -> list[Gate]:
    """Each threshold of the file. Raises `SettingError` for a file that names none, or what is no threshold; `RunError` where the model
    is not the one that training wrote, which no figure is of."""
    directory, found = RunDirectory(run), list[Gate]()
    directory.verify_model()
    figures_in = cache(partial(_figures, directory))
    for file, key, asked in _thresholds(read_toml(gate, "gate")):
        threshold = build(Threshold, asked, f"{file}.{key}.")
        _check(threshold, f"{file}.{key}", asked)
        figures, lacking = figures_in(file)
        value = _figure(figures, key, threshold.of, f"{file}.{key}")
        if value is None and figures:
            lacking = _nearest(figures, key) or lacking
        found.append(Gate(file, key, threshold, value, lacking))
    if not found:
        raise SettingError(
            "gate", str(gate), 'it holds no threshold; write e.g. [result] "validation.perplexity" = { max = 6 }'
        )
    return found


def _check(threshold: Threshold, place: str, asked: object) -> None:
    """Raise `SettingError` for a threshold that everything passes, or nothing."""
    low, high = threshold.min, threshold.max
    require(not (low is None and high is None), place, asked, "give max, min, or both, e.g. { max = 6 }")
    for name, value in (("min", low), ("max", high)):
        require(
            value is None or math.isfinite(value), f"{place}.{name}", value, "give a finite number, e.g. { max = 6 }"
        )
    ordered = low is None or high is None or low <= high
    require(ordered, f"{place}.min", low, f"nothing is at least that and at most {high}: lower it, or raise max")


def _thresholds(tables: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """File, figure and threshold of each line."""
    for name, table in tables.items():
        if name not in ("result", "manifest", *KINDS):
            raise SettingError(name, table, "a table is [result], [manifest], [evaluations.NAME] or [audits.NAME]")
        inner = table.items() if name in KINDS and isinstance(table, dict) else [("", table)]
        for measured, lines in inner:
            file = {"result": RESULT_FILE, "manifest": MANIFEST_FILE}.get(name, f"{name}/{measured}.json")
            if not isinstance(lines, dict):
                raise SettingError(f"{name}.{measured}".rstrip("."), lines, "give a table of figures")
            for key, asked in lines.items():
                if not isinstance(asked, dict):
                    raise SettingError(f"{file}.{key}", asked, "give a threshold, e.g. { max = 6 }")
                deeper = next((name for name, inner in asked.items() if isinstance(inner, dict)), None)
                if deeper is not None:
                    raise SettingError(
                        f"{file}.{key}", asked, f'put a figure\'s path in quotes, "{key}.{deeper}" = {{ max = 6 }}'
                    )
                yield file, key, asked


def _figures(directory: RunDirectory, file: str) -> tuple[Mapping[str, Any], str]:
    """The figures in a file of the run, and why what is not among them is lacking."""
    if file == MANIFEST_FILE:
        return directory.manifest(), "no number there"
    if file == RESULT_FILE:
        return (directory.result() if (directory.path / RESULT_FILE).is_file() else {}), "no number there"
    path = directory.path / file
    if not path.is_file():
        return {}, "not measured"
    measurement, named = read_measurement(path), directory.manifest().get("measurements")
    if named is not None and named.get(file) != sha256_file(path):
        return {}, "not what the manifest names"
    if measurement["model"]["files"] != hash_model(directory.path / MODEL_FOLDER):
        return {}, f"measured of {measurement['model']['folder']}, not of this model"
    return figures_of(measurement), "not measured"


def _figure(figures: Mapping[str, Any], key: str, of: str, place: str) -> float | None:
    """The number at a path such as `by.source.plays.loss`; a name may hold dots itself."""
    if key in figures:
        found = figures[key]
        if isinstance(found, dict):
            found = found.get(of)
        elif of != "value" and found is not None:
            raise SettingError(f"{place}.of", of, "this figure has no interval: leave `of` out")
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
    for name, inner in figures.items():
        if isinstance(inner, dict) and key.startswith(f"{name}."):
            number = _figure(inner, key.removeprefix(f"{name}."), of, place)
            if number is not None:
                return number
    return None


def _nearest(figures: Mapping[str, Any], key: str) -> str:
    """The names that are most like one that isn't there; empty where it is, and is no number."""
    names = dict(_names(figures))
    if key in names:
        return ""
    numbers = [name for name, value in names.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    near = difflib.get_close_matches(key, numbers, 3) or numbers[:3]
    return f"not among its figures (nearest: {', '.join(near)})" if near else ""


def _names(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Each figure by its path; of one with an interval, its value."""
    for name, value in figures.items():
        if isinstance(value, dict) and "value" not in value:
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value["value"] if isinstance(value, dict) else value


def require_passed(gates: list[Gate]) -> None:
    """Raise `RunError` naming every figure that is past its threshold or was not measured."""
    failed = [
        f"{gate.figure} of {gate.file} is {gate.shown}, and has to be {gate.asked}" for gate in gates if not gate.passed
    ]
    if failed:
        raise RunError(f"this run does not pass the gate: {'; '.join(failed)}")

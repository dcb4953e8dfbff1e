"""`card --gate`: whether a run may be released: thresholds in a TOML file, held against what was measured.

[result]                                     a table names a file of the run ...
"validation.perplexity" = { max = 6 }        ... and a key a figure in it, by its path
[audits.membership]
"figures.auc_loss" = { max = 0.6, of = "high" }   of an interval its worst end may be meant
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from groundup.config import build, read_toml
from groundup.errors import RunError, SettingError
from groundup.run.directory import MANIFEST_FILE, RESULT_FILE, RunDirectory
from groundup.run.measurements import KINDS, read_measurement


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
    """None where nothing was measured, which never passes."""

    @property
    def passed(self) -> bool:
        low, high = self.threshold.min, self.threshold.max
        return self.value is not None and (low is None or self.value >= low) and (high is None or self.value <= high)

    @property
    def asked(self) -> str:
        """The threshold in words."""
        asked = [f"at least {self.threshold.min:g}"] if self.threshold.min is not None else []
        asked += [f"at most {self.threshold.max:g}"] if self.threshold.max is not None else []
        return " and ".join(asked)


def check_gate(run: Path, gate: Path) -> list[Gate]:
    """Each threshold of the file. Raises `SettingError` for a file that names none, or what is no threshold."""
    directory, found = RunDirectory(run), list[Gate]()
    for file, key, asked in _thresholds(read_toml(gate)):
        threshold = build(Threshold, asked, f"{file}.{key}.")
        if threshold.max is None and threshold.min is None:
            raise SettingError(f"{file}.{key}", asked, "give max, min, or both, e.g. { max = 6 }")
        found.append(Gate(file, key, threshold, _figure(_figures(directory, file), key, threshold.of)))
    if not found:
        raise SettingError(
            "gate", str(gate), 'it holds no threshold; write e.g. [result] "validation.perplexity" = { max = 6 }'
        )
    return found


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
                yield file, key, asked


def _figures(directory: RunDirectory, file: str) -> Mapping[str, Any]:
    if file == MANIFEST_FILE:
        return directory.manifest()
    if file == RESULT_FILE:
        return directory.result() if (directory.path / RESULT_FILE).is_file() else {}
    path = directory.path / file
    figures: Mapping[str, Any] = read_measurement(path)["figures"] if path.is_file() else {}
    return figures


def _figure(figures: Mapping[str, Any], key: str, of: str) -> float | None:
    """The number at a path such as `by.source.plays.loss`; a name may hold dots itself."""
    if key in figures:
        found = figures[key]
        found = found.get(of) if isinstance(found, dict) else found
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
    for name, inner in figures.items():
        if isinstance(inner, dict) and key.startswith(f"{name}."):
            number = _figure(inner, key.removeprefix(f"{name}."), of)
            if number is not None:
                return number
    return None


def require_passed(gates: list[Gate]) -> None:
    """Raise `RunError` naming every figure that is past its threshold or was not measured."""
    failed = [
        f"{gate.figure} of {gate.file} is {'not measured' if gate.value is None else f'{gate.value:g}'}, and has to be {gate.asked}"
        for gate in gates
        if not gate.passed
    ]
    if failed:
        raise RunError(f"this run does not pass the gate: {'; '.join(failed)}")

"""Files of measurements: whole, tied to the model that was measured, and found out when they were changed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from groundup.errors import MachineError, RunError
from groundup.files import sha256_file
from groundup.run.directory import RunDirectory
from groundup.run.files import checksum
from groundup.run.measurements import hash_model, read_measurement, read_measurements, write_measurement


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    for folder in ("model", "checkpoints/step-000010", "checkpoints/step-000020"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("config.json", "model.safetensors", "state.json", "optimizer.safetensors", "README.md"):
            (tmp_path / folder / name).write_text(f"{name} of {folder}")
    run = RunDirectory(tmp_path)
    run.write_manifest({"measurements": {}})
    return run


def test_a_measurement_is_read_back(run: RunDirectory) -> None:
    figures = {"loss": {"value": 1.5, "low": 1.25, "high": math.nan, "n": 12}}
    path = write_measurement(run, "evaluations", "validation", figures, {"window": 256})
    assert path == run.path / "evaluations" / "validation.json"
    (read,) = read_measurements(run).values()
    assert list(read_measurements(run)) == ["evaluations/validation.json"]
    assert run.manifest()["measurements"] == {"evaluations/validation.json": sha256_file(path)}
    assert read["figures"]["loss"] == {"value": 1.5, "low": 1.25, "high": None, "n": 12}
    assert read["settings"] == {"window": 256}
    assert read["model"]["folder"] == "model"
    assert set(read["model"]["files"]) == {"config.json", "model.safetensors"}
    weights = run.path / "model" / "model.safetensors"
    assert read["model"]["files"]["model.safetensors"] == sha256_file(weights)


def test_the_measured_model_is_named(run: RunDirectory) -> None:
    checkpoint = run.path / "checkpoints" / "step-000010"
    write_measurement(run, "audits", "canaries", {}, model=checkpoint)
    (audit,) = read_measurements(run).values()
    assert audit["model"]["folder"] == "checkpoints/step-000010"
    assert audit["model"]["files"] == hash_model(checkpoint)
    (run.path / "model" / "config.json").unlink()  # as of a run that is not done
    assert (
        read_measurement(write_measurement(run, "audits", "bias", {}))["model"]["folder"] == "checkpoints/step-000020"
    )


def test_a_changed_figure_is_found(run: RunDirectory) -> None:
    path = write_measurement(run, "evaluations", "validation", {"loss": 1.5})
    path.write_text(path.read_text().replace("1.5", "1.4"))
    with pytest.raises(RunError, match=r"validation.json is damaged or was changed .* measure again"):
        read_measurements(run)
    path.write_text("{")
    with pytest.raises(RunError, match="missing or damaged"):
        read_measurements(run)


def test_a_file_of_another_version_is_refused(run: RunDirectory) -> None:
    from groundup.run.files import checksum

    path = write_measurement(run, "evaluations", "validation", {})
    changed = {**json.loads(path.read_text()), "format_version": 9}
    changed.pop("checksum")
    path.write_text(json.dumps({**changed, "checksum": checksum(changed)}))
    with pytest.raises(RunError, match="has format version 9; this version of Groundup reads 1"):
        read_measurement(path)


def test_what_cannot_be_written_is_said(run: RunDirectory, tmp_path: Path) -> None:
    for name in ("", "../model", "A", "a.b", "-a"):
        with pytest.raises(RunError, match="cannot name a measurement"):
            write_measurement(run, "evaluations", name, {})
    with pytest.raises(RunError, match="is no model of the run"):
        write_measurement(run, "evaluations", "validation", {}, model=tmp_path / "elsewhere")
    (tmp_path / "audits").write_text("a file")
    with pytest.raises(MachineError, match="cannot be written"):
        write_measurement(run, "audits", "bias", {})
    assert read_measurements(run) == {}


def test_a_file_without_a_model_is_refused(run: RunDirectory) -> None:
    path = write_measurement(run, "evaluations", "validation", {"loss": 1.5})
    value = json.loads(path.read_text())
    for name in ("checksum", "model"):
        del value[name]
    path.write_text(json.dumps({**value, "checksum": checksum(value)}))
    with pytest.raises(RunError, match="it has no figures, or names no model"):
        read_measurement(path)


def test_a_name_that_nobody_gave_is_refused(run: RunDirectory) -> None:
    path = write_measurement(run, "evaluations", "validation", {"loss": 1.5})
    for name in ("other.json", "a](http:x).json"):
        value = json.loads(path.read_text())
        del value["checksum"]
        value["name"] = "validation" if name == "other.json" else name.removesuffix(".json")
        (path.parent / name).write_text(json.dumps({**value, "checksum": checksum(value)}))
        with pytest.raises(RunError, match="is no name for what was measured as evaluations/"):
            read_measurement(path.parent / name)

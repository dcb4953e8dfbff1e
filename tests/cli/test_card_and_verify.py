"""`groundup card` and `groundup verify` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.errors import RunError
from groundup.recipe.train import TrainedRun, train
from groundup.run.directory import RunDirectory
from groundup.run.measurements import write_measurement


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    folder = tmp_path_factory.mktemp("runs")
    made = train(tiny_recipe, ["training.max_steps=10"], run=folder / "run", say=lambda text: None)
    write_measurement(RunDirectory(made.path), "audits", "membership", {"auc": 0.5})
    return made


def test_a_card_is_written_with_its_evidence_and_the_chain_stays_whole(run: TrainedRun) -> None:
    typed = CliRunner().invoke(app, ["card", str(run.path)])
    assert typed.exit_code == 0, typed.output
    assert "(1 measurement)" in typed.output
    assert (run.path / "model" / "evidence" / "audits" / "membership.json").is_file()
    (run.path / "model" / "README.md").write_text("my own words")
    (run.path / "model" / "evidence" / "notes.txt").write_text("mine")
    (run.path / "model" / "evidence" / "audits" / "gone.json").write_text("{}")  # of a measurement that was deleted
    assert "what had been edited is kept as" in CliRunner().invoke(app, ["card", str(run.path)]).output
    assert not (run.path / "model" / "evidence" / "audits" / "gone.json").exists()
    assert (run.path / "model" / "evidence" / "notes.txt").read_text() == "mine"
    (run.path / "model" / "evidence" / "notes.txt").unlink()
    looked = CliRunner().invoke(app, ["verify", str(run.path), "--json"])
    found = json.loads(looked.output)
    assert {link["state"] for link in found["links"]} == {"whole"}
    assert f"`{found['seal']}`" in (run.path / "model" / "README.md").read_text()


def test_a_gate_that_fails_fails_the_command(run: TrainedRun, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("[audits.membership]\nauc = { max = 0.4 }\n")
    typed = CliRunner().invoke(app, ["card", str(run.path), "--gate", str(tmp_path / "gate.toml")])
    assert "FAILED" in typed.output
    assert isinstance(typed.exception, RunError)
    (tmp_path / "gate.toml").write_text("[audits.membership]\nauc = { max = 0.6 }\n")
    passed = CliRunner().invoke(app, ["card", str(run.path), "--gate", str(tmp_path / "gate.toml")])
    assert passed.exit_code == 0, passed.output


def test_a_run_that_has_not_finished_has_no_card(run: TrainedRun, tmp_path: Path) -> None:
    copy = shutil.copytree(run.path, tmp_path / "run")
    shutil.rmtree(copy / "model")
    typed = CliRunner().invoke(app, ["card", str(copy)])
    assert "has not finished, so there is no model to write a card of" in str(typed.exception)


def test_verify_shows_the_links_the_seal_and_the_stretch(run: TrainedRun) -> None:
    typed = CliRunner().invoke(app, ["verify", str(run.path), "--replay", "10"])
    assert typed.exit_code == 0, typed.output
    for told in ("manifest.json", "audits/membership.json", "seal  ", "steps 1 to 10 trained again: the weights"):
        assert told in typed.output


def test_a_broken_chain_fails_the_command_and_names_the_link(run: TrainedRun, tmp_path: Path) -> None:
    copy = shutil.copytree(run.path, tmp_path / "run")
    with (copy / "recipe.toml").open("a") as file:
        file.write("# a note\n")
    typed = CliRunner().invoke(app, ["verify", str(copy)])
    assert "is broken at recipe.toml: it was changed after the run began" in str(typed.exception)
    assert typed.exit_code == 1

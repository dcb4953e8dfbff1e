"""What MODEL may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundup.errors import ModelError
from groundup.language_model.locate import find_model


def make(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")


def test_a_run_means_its_model_else_its_newest_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "shakespeare"
    steps = [run / "checkpoints" / name for name in ("step-000200", "step-001000", "step-1200000")]
    make(run / "manifest.json", steps[0] / "config.json", run / "checkpoints" / ".writing-step-000300" / "config.json")
    assert find_model(run) == steps[0]
    make(steps[1] / "config.json", run / "checkpoints" / "damaged-step-002000" / "config.json")
    assert find_model(str(run)) == steps[1]
    make(steps[2] / "config.json")
    assert find_model(run) == steps[2]
    make(run / "model" / "config.json")
    assert find_model(run) == run / "model"
    assert find_model(steps[0]) == steps[0]  # a directory itself


def test_a_run_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    make(tmp_path / "manifest.json")
    with pytest.raises(
        ModelError, match="has saved no checkpoint yet: wait for its first, or go on with it by --resume"
    ):
        find_model(tmp_path)


@pytest.mark.parametrize("name", ["runs/shakespear", "shakespeare", "nothing/shakespeare"])
def test_a_wrong_name_gets_the_near_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "runs" / "shakespeare" / "manifest.json", tmp_path / "runs" / "other" / "manifest.json")
    monkeypatch.chdir(tmp_path)
    message = (
        rf"{name} is not a model: name a run's folder \(runs/NAME\), a checkpoint in it .*, "
        r"a Hugging Face directory \(config.json, model.safetensors, tokenizer.json\), .*; did you mean runs/shakespeare\?"
    )
    with pytest.raises(ModelError, match=message):
        find_model(name)


def test_a_name_like_no_other_gets_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ModelError, match=r"xyz is not a model: .* \(smollm2-135m-instruct\) or of the hub \(hf://owner/name\)$"
    ):
        find_model("xyz")
    with pytest.raises(ModelError, match=r"; did you mean hf://owner/name\?$"):
        find_model("owner/name")
    make(tmp_path / "runs" / "shakespeare" / "manifest.json", tmp_path / "runs" / "other" / "manifest.json")
    make(tmp_path / "runs" / "text" / "prepared.json")  # what `data prepare` wrote is no run
    with pytest.raises(ModelError, match=r"; runs here: runs/other, runs/shakespeare$"):
        find_model("xyz")


def test_texts_of_the_catalogue_are_told_from_wrong_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"; factbook is a text of the catalogue: train on it, and name the run$"):
        find_model("factbook")


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    make(tmp_path / "config.json")
    with pytest.raises(ModelError, match="is not a model: name a run's folder"):
        find_model(tmp_path / "config.json")

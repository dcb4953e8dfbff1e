"""The chain from raw bytes to model: each link that is touched is found, and named first; a stretch trained again is the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from groundup.errors import RunError
from groundup.files import sha256_file
from groundup.recipe.replay import replay
from groundup.recipe.train import TrainedRun, train
from groundup.recipe.verify import Link, verify
from groundup.run.directory import RunDirectory
from groundup.run.files import checksum, write_json
from groundup.run.measurements import write_measurement


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return train(tiny_recipe, ["training.device=cpu"], run=folder, say=lambda text: None)  # on a card: tests/gpu


@pytest.fixture
def copy(run: TrainedRun, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


def broken(run: Path) -> str:
    """The link that is named."""
    links = verify(run)
    assert [link.state for link in links if link.state == "broken"] == [links[-1].state]
    return links[-1].name


def test_a_run_as_it_was_made_is_whole_from_the_source_to_the_model(run: TrainedRun) -> None:
    links = verify(run.path)
    assert {link.state for link in links} == {"whole"}
    names = [link.name for link in links]
    order = ["manifest.json", "recipe.toml", "tokenizer", "train tokens", "step-000010", "metrics.jsonl", "model"]
    assert sorted(order, key=names.index) == order
    assert any(name.startswith("source ") for name in names)


def with_new_checksum(file: Path, change: Callable[[dict[str, object]], None]) -> None:
    """As somebody edits who knows of the checksum."""
    value = json.loads(file.read_text())
    value.pop("checksum")
    change(value)
    write_json(file, {**value, "checksum": checksum(value)})


def test_an_edited_manifest_is_found_with_its_checksum_and_without(copy: Path) -> None:
    file = copy / "manifest.json"
    before = file.read_text()
    file.write_text(before.replace('"seed": 1', '"seed": 2'))
    assert before != file.read_text()
    assert broken(copy) == "manifest.json"
    file.write_text(before)
    with_new_checksum(file, lambda manifest: manifest["data"].update(steps={}))  # type: ignore[attr-defined]
    assert broken(copy) == "manifest.json"
    assert "step-000010" in verify(copy)[-1].detail


def test_a_manifest_that_is_written_anew_with_all_that_names_it_has_another_seal(run: TrainedRun, copy: Path) -> None:
    with_new_checksum(copy / "manifest.json", lambda manifest: manifest.update(created="2020-01-01"))
    assert RunDirectory(copy).seal() != RunDirectory(run.path).seal()


def test_each_file_that_is_touched_is_named(copy: Path) -> None:
    for name, link in (
        ("recipe.toml", "recipe.toml"),
        ("metrics.jsonl", "metrics.jsonl"),
        ("result.json", "result.json"),
        ("model/config.json", "model"),
        ("checkpoints/step-000020/model.safetensors", "step-000020"),
        ("checkpoints/step-000030/state.json", "step-000030"),
    ):
        before = (copy / name).read_bytes()
        (copy / name).write_bytes(before.replace(b"1", b"2", 1))
        assert broken(copy) == link
        (copy / name).write_bytes(before)
    assert {link.state for link in verify(copy)} == {"whole"}
    (copy / "recipe.toml").unlink()
    assert broken(copy) == "recipe.toml"


def test_weights_that_were_swapped_with_their_hash_do_not_fit_the_manifest(copy: Path) -> None:
    checkpoint = copy / "checkpoints" / "step-000040"
    weights = load_file(checkpoint / "model.safetensors")
    save_file({name: tensor * 1.01 for name, tensor in weights.items()}, checkpoint / "model.safetensors")
    digest = sha256_file(checkpoint / "model.safetensors")
    with_new_checksum(checkpoint / "state.json", lambda state: state["files"].update({"model.safetensors": digest}))  # type: ignore[attr-defined]
    assert broken(copy) == "step-000040"


def test_a_source_that_changed_or_went_is_told(tiny_recipe: Path, text_file: Path, tmp_path: Path) -> None:
    source = tmp_path / "text.txt"
    shutil.copyfile(text_file, source)
    made = train(tiny_recipe, [f"data.source={source}"], run=tmp_path / "run", say=lambda text: None)
    source.write_text(source.read_text().replace("\n", "\r\n"))  # the same text, but not the same bytes
    assert broken(made.path) == f"source {source}"
    source.unlink()
    links = verify(made.path)
    gone = [link for link in links if link.state == "not here"]
    assert len(gone) == 1
    assert "text.txt" in gone[0].detail
    assert links[-1].name == "model"  # all else is looked at


def test_a_measurement_is_of_the_model_that_is_there(copy: Path) -> None:
    run = RunDirectory(copy)
    file = write_measurement(run, "evaluations", "validation", {"loss": 3.5})
    assert verify(copy)[-1] == Link("evaluations/validation.json", "whole")
    before = file.read_text()
    file.write_text(before.replace("3.5", "1.5"))
    assert broken(copy) == "evaluations/validation.json"
    with_new_checksum(file, lambda measured: measured["model"].update(files={}))  # type: ignore[attr-defined]
    assert "is not the model that was measured" in verify(copy)[-1].detail
    file.write_text(before)
    write_measurement(run, "audits", "canaries", {}, model=copy / "checkpoints" / "step-000010")
    shutil.rmtree(copy / "checkpoints" / "step-000010")
    last = verify(copy)[-1]
    assert (last.name, last.state) == ("audits/canaries.json", "not here")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run: it has no manifest\.json; name a folder"):
        verify(tmp_path)


@pytest.mark.parametrize(("steps", "begin", "weights"), [(10, 30, True), (7, 30, False), (40, 0, True)])
def test_a_stretch_trained_again_is_the_same(run: TrainedRun, steps: int, begin: int, weights: bool) -> None:
    files = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    again = replay(run.path, steps)
    assert (again.begin, again.end, again.weights) == (begin, begin + steps, weights)
    assert again.lines >= steps
    assert files == {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}  # nothing in the run was touched


def test_a_loss_or_weights_that_training_does_not_give_again_are_named(copy: Path) -> None:
    metrics = (copy / "metrics.jsonl").read_text().splitlines()
    place = next(number for number, line in enumerate(metrics) if '"step": 35' in line)
    line = json.loads(metrics[place])
    line["loss"] *= 0.9
    (copy / "metrics.jsonl").write_text("\n".join([*metrics[:place], json.dumps(line), *metrics[place + 1 :]]) + "\n")
    with pytest.raises(RunError, match=r"loss at step 35 was .* when it is trained again: the run did not go as"):
        replay(copy, 10)
    (copy / "metrics.jsonl").write_text("\n".join(metrics) + "\n")
    last = copy / "checkpoints" / "step-000040"
    digest = "0" * 64
    with_new_checksum(last / "state.json", lambda state: state["files"].update({"model.safetensors": digest}))  # type: ignore[attr-defined]
    with pytest.raises(RunError, match=r"step-000040/model\.safetensors is not what training gives again"):
        replay(copy, 10)


def test_what_was_other_then_is_said_of_a_difference(copy: Path) -> None:
    with_new_checksum(copy / "manifest.json", lambda manifest: manifest["libraries"].update(torch="1.0"))  # type: ignore[attr-defined]
    lines = (copy / "metrics.jsonl").read_text()
    (copy / "metrics.jsonl").write_text(lines.replace('"learning_rate": ', '"learning_rate": 1'))
    with pytest.raises(RunError, match=r"other than then: torch\)"):
        replay(copy, 10)


def test_of_a_gpu_the_last_digits_may_differ(copy: Path) -> None:
    with_new_checksum(copy / "manifest.json", lambda manifest: manifest["machine"].update(device="NVIDIA H100"))  # type: ignore[attr-defined]
    lines = (copy / "metrics.jsonl").read_text()
    (copy / "metrics.jsonl").write_text(lines.replace('"grad_norm": ', '"grad_norm": 1'))
    with pytest.raises(RunError, match=r"grad_norm at step .*: on a GPU the gradients of long rows are added up"):
        replay(copy, 10)


def test_a_stretch_that_nothing_can_be_compared_with_is_refused(copy: Path) -> None:
    with pytest.raises(RunError, match=r"no stretch of 41 steps .*checkpoints \(10, 20, 30, 40\) stand 10, 20, 30, 40"):
        replay(copy, 41)
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(RunError, match="has no checkpoint to go on from"):
        replay(copy, 10)


def test_the_manifest_of_a_run_names_the_bytes_and_the_code(run: TrainedRun, text_file: Path) -> None:
    manifest = RunDirectory(run.path).manifest()
    digest = sha256_file(text_file)
    assert manifest["data"]["sources"][0]["files_sha256"] != digest  # of the name and the bytes
    assert len(manifest["code_sha256"]) == 64

"""The chain from raw bytes to model: each link that is touched is found, and named first; a stretch trained again is the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from groundup.errors import GroundupError, RunError
from groundup.files import sha256_file
from groundup.recipe.replay import Replay, replay
from groundup.recipe.train import TrainedRun, train
from groundup.recipe.verify import verify
from groundup.report.card import write_card
from groundup.report.evidence import copy_evidence
from groundup.run.directory import RunDirectory
from groundup.run.files import checksum, write_json
from groundup.run.measurements import hash_model, write_measurement


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


def test_a_changed_last_event_and_a_changed_page_are_named(copy: Path) -> None:
    page, events = copy / "report.html", copy / "events.jsonl"
    page.write_text(page.read_text().replace("Finished", "Fjnished", 1))
    told = {link.name: link.state for link in verify(copy)}
    assert told["report.html"] == "other", "people read it, and nothing else does"
    page.unlink()
    assert {link.name: link.state for link in verify(copy)}["report.html"] == "not here"
    events.write_text(events.read_text().replace('"finished"', '"finjshed"'))
    assert broken(copy) == "events.jsonl"


def with_new_checksum(file: Path, change: Callable[[dict[str, object]], object]) -> None:
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


def test_one_line_is_the_same_and_several_are() -> None:
    assert str(Replay(20, 27, False, 1)) == "steps 21 to 27 trained again: 1 logged line is the same, bit for bit"
    assert str(Replay(20, 40, True, 1)).endswith("the optimizer's state and 1 logged line are the same, bit for bit")


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
    made = train(
        tiny_recipe, [f"data.source={source}", "training.max_steps=10"], run=tmp_path / "run", say=lambda text: None
    )
    source.write_text(source.read_text().replace("\n", "\r\n"))  # the same text, but not the same bytes
    assert broken(made.path) == f"source {source}"
    source.unlink()
    links = verify(made.path)
    gone = [link for link in links if link.state == "not here"]
    assert len(gone) == 1
    assert "text.txt" in gone[0].detail
    assert links[-1].name == "model/evidence"  # all else is looked at


def state(run: Path, name: str) -> tuple[str, str]:
    """Of one link, and why."""
    (found,) = (link for link in verify(run) if link.name == name)
    return found.state, found.detail


def test_a_measurement_is_of_the_model_that_is_there(copy: Path) -> None:
    run, seal = RunDirectory(copy), RunDirectory(copy).seal()
    file = write_measurement(run, "evaluations", "validation", {"loss": 3.5})
    assert state(copy, "evaluations/validation.json") == ("whole", "")
    assert run.seal() != seal
    before = file.read_text()
    file.write_text(before.replace("3.5", "1.5"))
    assert broken(copy) == "evaluations/validation.json"
    with_new_checksum(file, lambda measured: measured["figures"].update(loss=1.5))  # type: ignore[attr-defined]
    assert "it is not what the manifest names" in verify(copy)[-1].detail
    file.write_text(before)
    write_measurement(run, "audits", "canaries", {}, model=copy / "checkpoints" / "step-000010")
    shutil.rmtree(copy / "checkpoints" / "step-000010")
    assert state(copy, "audits/canaries.json")[0] == "not here"
    (copy / "model" / "config.json").write_text((copy / "model" / "config.json").read_text() + " ")
    with_new_checksum(copy / "result.json", lambda result: result.update(model_files={}))
    assert broken(copy) == "model"  # whose files nobody names
    with_new_checksum(copy / "result.json", lambda result: result.pop("model_files"))  # as of an older Groundup
    assert "model is not the model that was measured" in verify(copy)[-1].detail


def test_a_measurement_that_is_written_anew_with_the_manifest_s_line_of_it_has_another_seal(copy: Path) -> None:
    run = RunDirectory(copy)
    file = write_measurement(run, "audits", "membership", {"auc": 0.9})
    write_card(copy, copy / "model")
    copy_evidence(copy, copy / "model")
    seal = run.seal()
    with_new_checksum(file, lambda measured: measured["figures"].update(auc=0.5))  # type: ignore[attr-defined]
    measurements = {"audits/membership.json": sha256_file(file)}
    with_new_checksum(copy / "manifest.json", lambda manifest: manifest.update(measurements=measurements))
    told = {link.name: link.state for link in verify(copy)}
    assert (told["audits/membership.json"], told["model/evidence"]) == ("whole", "other")
    assert run.seal() != seal


def test_a_measurement_that_was_renamed_brought_or_deleted_is_told(copy: Path) -> None:
    file = write_measurement(RunDirectory(copy), "audits", "membership", {"auc": 0.9})
    file.rename(copy / "audits" / "canaries.json")
    assert "is no name for what was measured as audits/membership.json" in verify(copy)[-1].detail
    (copy / "audits" / "canaries.json").unlink()
    assert state(copy, "audits/membership.json") == ("not here", "it was measured, and deleted")
    (copy / "evaluations").mkdir()
    brought = copy / "evaluations" / "good.json"
    value = {"format_version": 1, "kind": "evaluations", "name": "good", "figures": {}}
    value["model"] = {"folder": "model", "files": hash_model(copy / "model")}
    brought.write_text(json.dumps({**value, "checksum": checksum(value)}))
    assert broken(copy) == "evaluations/good.json"


def test_what_was_added_where_a_model_is_opened_from_is_found(copy: Path) -> None:
    for folder, link in (("model", "model"), ("checkpoints/step-000020", "step-000020")):
        for name in ("chat_template.jinja", "modeling_own.py", "pytorch_model.bin"):
            (copy / folder / name).write_text("{{ 1 }}")
            assert broken(copy) == link
            assert f"{name} was added" in verify(copy)[-1].detail
            (copy / folder / name).unlink()
        (copy / folder / "LICENSE").write_text("for people")
    assert {link.state for link in verify(copy)} == {"whole"}


def test_lines_that_were_added_after_the_end_are_found(copy: Path) -> None:
    for name in ("metrics.jsonl", "samples.jsonl"):
        with (copy / name).open("a") as file:
            file.write('{"kind": "validation", "step": 41, "loss": 0.1}\n')
        assert broken(copy) == name
        (copy / name).write_text((copy / name).read_text().rpartition('{"kind": "validation", "step": 41')[0])
    assert {link.state for link in verify(copy)} == {"whole"}


def test_a_model_or_a_checkpoint_that_is_gone_is_not_called_whole(copy: Path) -> None:
    (copy / "model" / "config.json").unlink()
    assert broken(copy) == "model"
    shutil.rmtree(copy / "model")
    assert state(copy, "model")[0] == "not here"
    shutil.rmtree(copy / "checkpoints" / "step-000040")
    assert state(copy, "step-000040") == ("not here", "it was the newest checkpoint, and was deleted")
    assert "its lines up to step-000030" in state(copy, "metrics.jsonl")


def test_the_card_and_its_evidence_are_looked_at(copy: Path) -> None:
    card, evidence = copy / "model" / "README.md", copy / "model" / "evidence"
    card.write_text(card.read_text().replace("Perplexity", "perplexity", 1))
    assert state(copy, "model/README.md") == ("other", "somebody has edited it, or an older Groundup wrote it")
    card.unlink()
    assert state(copy, "model/README.md")[0] == "not here"
    write_measurement(RunDirectory(copy), "evaluations", "validation", {"loss": 3.5})  # the card does not know of it
    assert state(copy, "model/evidence")[0] == "other"
    (result := evidence / "result.json").rename(copy / "aside.json")
    assert state(copy, "model/evidence")[0] == "other"  # there is no card that names it
    write_card(copy, copy / "model")
    assert state(copy, "model/evidence")[1].startswith("evaluations/validation.json, which the card names, was deleted")
    (copy / "aside.json").rename(result)
    copy_evidence(copy, copy / "model")
    assert state(copy, "model/evidence")[0] == "whole"
    result.write_text(result.read_text().replace("1", "2"))
    assert state(copy, "model/evidence")[0] == "broken"
    shutil.rmtree(evidence)
    assert state(copy, "model/evidence")[0] == "not here"


def made_by_an_older_groundup(run: Path) -> None:
    """One that knew no `training.tensorboard`, and wrote less down."""
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("tensorboard = false\n", ""))
    digest = sha256_file(recipe)

    def older(manifest: dict[str, Any]) -> None:
        manifest["hashes"]["recipe"] = digest
        del manifest["data"]["sources"][0]["files_sha256"], manifest["data"]["repairs"]
        for name in ("measurements", "code_sha256"):
            del manifest[name]

    with_new_checksum(run / "manifest.json", older)
    digests = {}
    for state in (run / "checkpoints").glob("*/state.json"):
        with_new_checksum(state, lambda told: told.update(recipe=digest))
        with_new_checksum(state, lambda told: told.pop("manifest"))
        digests[state.parent.name] = sha256_file(state)
    with_new_checksum(run / "manifest.json", lambda manifest: manifest.update(checkpoints=digests))
    best = {"name": "step-000040", "sha256": digests["step-000040"]}
    with_new_checksum(run / "result.json", lambda told: told.update(checkpoint=best))
    with_new_checksum(run / "result.json", lambda told: told.pop("manifest"))
    shutil.rmtree(run / "model" / "evidence")


def test_a_run_of_an_older_groundup_is_looked_at_as_far_as_it_was_recorded(copy: Path) -> None:
    write_measurement(RunDirectory(copy), "evaluations", "validation", {"loss": 3.5})
    made_by_an_older_groundup(copy)
    states = {link.name: link.state for link in verify(copy)}
    not_recorded = [name for name, state in states.items() if state == "not recorded"]
    assert [name.split()[0] for name in not_recorded] == [
        "manifest.json",
        "Groundup",
        "source",
        "evaluations/validation.json",
    ]
    assert "broken" not in states.values()
    assert "not here" not in {states["tokenizer"], states["step-000040"], states["model"]}
    with_new_checksum(copy / "manifest.json", lambda manifest: manifest.update(format_version=9))
    with pytest.raises(
        RunError, match="has format version 9; this version of Groundup reads 1: verify it with the one"
    ):
        verify(copy)


def test_a_run_of_an_older_groundup_goes_on(copy: Path) -> None:
    made_by_an_older_groundup(copy)
    shutil.rmtree(copy / "model")
    (copy / "result.json").unlink()
    said: list[str] = []
    assert train(copy / "recipe.toml", run=copy, resume=True, say=said.append).finished
    assert any(line.startswith("going on from step 40") for line in said), said


def test_a_base_that_is_another_or_gone_is_told(tiny_base: Path, text_file: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    recipe = tmp_path / "tune.toml"
    recipe.write_text(
        f"""
        [data]
        source = "{text_file}"
        [model]
        base = "{base}"
        max_seq_len = 16
        [training]
        method = "lora"
        max_steps = 2
        batch_size = 2
        save_steps = 1
        warmup_steps = 1
        num_threads = 1
        sample_tokens = 0
        [evaluation]
        max_tokens = 100
        """
    )
    run = train(recipe, run=tmp_path / "run", say=lambda text: None).path
    assert state(run, f"base {base}") == ("whole", "")
    weights = load_file(base / "model.safetensors")
    save_file({name: tensor * 1.01 for name, tensor in weights.items()}, base / "model.safetensors", {"format": "pt"})
    assert broken(run) == f"base {base}"
    shutil.rmtree(base)
    assert state(run, f"base {base}")[0] == "not here"
    assert {state(run, name)[0] for name in ("tokenizer", "plan", "step-000002", "model")} == {"whole"}
    with pytest.raises(GroundupError, match="is not a model"):
        replay(run, 1)


def test_a_checkpoint_that_the_manifest_was_not_yet_told_of_when_training_was_killed(copy: Path) -> None:
    shutil.rmtree(copy / "model")
    (copy / "result.json").unlink()
    shutil.rmtree(copy / "checkpoints" / "step-000040")
    for name in ("step-000030", "step-000040"):
        RunDirectory(copy).forget_checkpoint(copy / "checkpoints" / name)
    assert state(copy, "step-000030")[0] == "not recorded"
    train(copy / "recipe.toml", run=copy, resume=True, say=lambda text: None)
    assert {link.state for link in verify(copy)} == {"whole"}


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

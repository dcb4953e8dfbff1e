"""Resume: the same bits as the uninterrupted run, or a sentence that names what is different."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from groundup.errors import CheckpointError, MachineError, RunError
from groundup.language_model import LanguageModel
from groundup.recipe.train import TrainedRun, train
from groundup.report.page import write_report
from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.run.files import checksum, write_json
from groundup.run.records import read_records

OVERRIDES = ["training.spike_sigmas=2.0", "training.patience=30", "training.device=cpu"]  # on a card: tests/gpu
TIMED = {"tokens_per_second", "mfu", "seconds"}


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def whole(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """The uninterrupted run, with everything on that the loop carries: dropout, Muon, the spike rule, patience."""
    return train(tiny_recipe, OVERRIDES, run=tmp_path_factory.mktemp("runs") / "whole", say=quiet)


def interrupted(whole: TrainedRun, folder: Path, step: int) -> Path:
    """The run as a crash after this step's checkpoint would have left it, with later metrics already written."""
    run = folder / "interrupted"
    shutil.copytree(whole.path, run)
    shutil.rmtree(run / "model")
    (run / "result.json").unlink()
    for checkpoint in list_checkpoints(run):
        if int(checkpoint.name[5:]) > step:
            shutil.rmtree(checkpoint)
            RunDirectory(run).forget_checkpoint(checkpoint)
    return run


def without_times(path: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in record.items() if key not in TIMED} for record in read_records(path)]


def assert_same(run: Path, whole: Path) -> None:
    ours, theirs = list_checkpoints(run)[-1], list_checkpoints(whole)[-1]
    assert ours.name == theirs.name
    for name in ("model.safetensors", "optimizer.safetensors"):
        mine, other = load_file(ours / name), load_file(theirs / name)
        assert mine.keys() == other.keys()
        assert all((mine[key] == other[key]).all() for key in mine), name
    state, other_state = (json.loads((path / "state.json").read_text()) for path in (ours, theirs))
    for measured in ("seconds", "joules"):
        state["progress"].pop(measured), other_state["progress"].pop(measured)
    assert state["progress"] == other_state["progress"]
    assert state["guard"] == other_state["guard"]
    assert without_times(run / "metrics.jsonl") == without_times(whole / "metrics.jsonl")
    assert read_records(run / "samples.jsonl") == read_records(whole / "samples.jsonl")
    assert (run / "model" / "model.safetensors").read_bytes() == (whole / "model" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("step", [0, 20, 30, 40])
def test_from_any_checkpoint_on_everything_is_the_same(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path, step: int
) -> None:
    run = interrupted(whole, tmp_path, step)
    assert train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet).stopped_because == "max_steps"
    assert_same(run, whole.path)


@pytest.mark.parametrize("changes", [["training.optimizer=adamw"], ["training.precision=fp16"]])
def test_twice_in_one_run_with_accumulation(tiny_recipe: Path, tmp_path: Path, changes: list[str]) -> None:
    overrides = [
        *changes,
        "training.accumulation_steps=2",
        "training.max_steps=20",
        "training.save_steps=5",
    ]
    reference = train(tiny_recipe, overrides, run=tmp_path / "whole", say=quiet)
    run = interrupted(reference, tmp_path, 5)
    train(tiny_recipe, overrides, run=run, resume=True, say=quiet)
    shutil.rmtree(run / "model")
    shutil.rmtree(list_checkpoints(run)[-1])
    train(tiny_recipe, overrides, run=run, resume=True, say=quiet)
    assert_same(run, reference.path)


@pytest.mark.parametrize(
    ("name", "harm"),
    [("model.safetensors", "flip"), ("state.json", "truncate"), ("optimizer.safetensors", "remove")],
)
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path, name: str, harm: str
) -> None:
    run = interrupted(whole, tmp_path, 30)
    file = run / "checkpoints" / "step-000030" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content if harm == "flip" else content[:-9])
    if harm == "remove":
        file.unlink()
    said: list[str] = []
    train(tiny_recipe, OVERRIDES, run=run, resume=True, say=said.append)
    assert any(name in line and "set aside as damaged-step-000030" in line for line in said), said
    assert any("going on from step 20" in line for line in said)
    assert any(event["event"] == "damaged" for event in read_records(run / "events.jsonl"))
    assert (run / "checkpoints" / "damaged-step-000030").is_dir(), "nothing is deleted"
    assert_same(run, whole.path)


def test_a_checkpoint_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path
) -> None:
    """A stale handle, a bad sector: here a link to itself. It stays where it is, and whoever knows the disk decides."""
    run = interrupted(whole, tmp_path, 30)
    newest = run / "checkpoints" / "step-000030"
    (newest / "state.json").rename(tmp_path / "state.json")
    (newest / "state.json").symlink_to("state.json")
    with pytest.raises(
        MachineError, match=r"state\.json cannot be read \(Too many levels.*or rename .*step-000030, and"
    ):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)
    assert newest.is_dir()
    (tmp_path / "state.json").rename(newest / "state.json")
    said: list[str] = []
    train(tiny_recipe, OVERRIDES, run=run, resume=True, say=said.append)
    assert any("going on from step 30" in line for line in said)
    assert_same(run, whole.path)


def test_when_no_checkpoint_is_whole_it_does_not_start_over_silently(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path
) -> None:
    run = interrupted(whole, tmp_path, 20)
    for checkpoint in list_checkpoints(run):
        (checkpoint / "optimizer.safetensors").unlink()
    for _ in range(2):  # the second time, too
        with pytest.raises(
            CheckpointError, match=r"optimizer\.safetensors is missing, and none of the run's 2 checkpoints is whole"
        ):
            train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)
    assert len(list_checkpoints(run)) == 2, "they stay where they are"
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(CheckpointError, match=r"the checkpoints that .* had written are gone: restore one"):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)


def rewrite_state(run: Path, **changes: object) -> None:
    """Let the newest checkpoint say something else of itself, consistently."""
    checkpoint = list_checkpoints(run)[-1]
    state = json.loads((checkpoint / "state.json").read_text())
    del state["checksum"]
    state |= changes
    write_json(checkpoint / "state.json", {**state, "checksum": checksum(state)})
    RunDirectory(run).record_checkpoint(checkpoint)


def test_a_damaged_best_checkpoint_is_named_and_the_last_one_takes_its_place(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path
) -> None:
    run = interrupted(whole, tmp_path, 40)
    progress = json.loads((list_checkpoints(run)[-1] / "state.json").read_text())["progress"]
    rewrite_state(run, progress={**progress, "best_step": 20})
    (run / "checkpoints" / "step-000020" / "model.safetensors").unlink()
    said: list[str] = []
    assert train(tiny_recipe, OVERRIDES, run=run, resume=True, say=said.append).finished
    assert any("it was the best checkpoint, so model/ is made from the last one, step 40" in line for line in said)


def test_resume_takes_no_folder_that_is_not_a_run(tiny_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious.bin").write_text("mine")
    (tmp_path / "recipe.toml").write_text("# my notes")
    with pytest.raises(RunError, match="is not empty and is not a run"):
        train(tiny_recipe, run=tmp_path, resume=True, say=quiet)
    assert (tmp_path / "recipe.toml").read_text() == "# my notes"
    assert (tmp_path / "model" / "precious.bin").read_text() == "mine"


def test_a_crash_between_a_runs_first_two_files_is_no_obstacle(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path
) -> None:
    shutil.copy(whole.path / "recipe.toml", tmp_path / "recipe.toml")
    assert train(tiny_recipe, OVERRIDES, run=tmp_path, resume=True, say=quiet).finished


def test_a_checkpoint_of_another_run_is_not_taken(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    other = train(tiny_recipe, ["training.max_steps=10"], run=tmp_path / "other", say=quiet)
    run = interrupted(whole, tmp_path, 10)
    shutil.copytree(other.path / "checkpoints" / "step-000010", run / "checkpoints" / "step-000020")
    said: list[str] = []
    train(tiny_recipe, OVERRIDES, run=run, resume=True, say=said.append)
    assert any("step-000020 was made with another recipe, so it is no checkpoint of this run" in line for line in said)


def test_what_a_killed_process_left_half_written_is_swept(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    run = interrupted(whole, tmp_path, 30)
    for name in (".writing-step-000040", ".removed-step-000010"):
        (run / "checkpoints" / name).mkdir()
    train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)
    assert not list((run / "checkpoints").glob(".*"))


@pytest.mark.parametrize("was", [("cuda", "fp16"), ("cuda", None), ("cpu", "fp16")])
def test_another_device_or_number_format_is_said(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path, was: tuple[str, str | None]
) -> None:
    run = interrupted(whole, tmp_path, 30)
    now = json.loads((list_checkpoints(run)[-1] / "state.json").read_text())["precision"]
    assert now in ("fp32", "bf16")
    rewrite_state(run, device=was[0], precision=was[1] or now)
    said: list[str] = []
    train(tiny_recipe, OVERRIDES, run=run, resume=True, say=said.append)
    expected = f"warning: the run began on {was[0]} in {was[1] or now} and goes on on cpu in {now}: it goes on well, but not to the"
    assert sum(line.startswith(expected) for line in said) == 1


def test_a_changed_recipe_is_named(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    run = interrupted(whole, tmp_path, 20)
    with pytest.raises(RunError, match=r"another recipe \(training\.learning_rate is 0\.003 there and 0\.004 here\)"):
        train(tiny_recipe, [*OVERRIDES, "training.learning_rate=0.004"], run=run, resume=True, say=quiet)
    with (run / "recipe.toml").open("a") as file:
        file.write("# a remark\n")
    with pytest.raises(RunError, match=r"recipe\.toml is missing or was changed after the run began"):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)


def test_changed_text_is_named(tiny_recipe: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("To be, or not to be, that is the question.\n" * 30)
    overrides = [f"data.source={text}", "training.max_steps=4", "training.save_steps=2"]
    run = interrupted(train(tiny_recipe, overrides, run=tmp_path / "whole", say=quiet), tmp_path, 2)
    text.write_text("To be, or not to be; that is the question.\n" * 30)
    with pytest.raises(RunError, match=r"the text of .*text\.txt is not what .* was begun with"):
        train(tiny_recipe, overrides, run=run, resume=True, say=quiet)


def test_changed_tokenizer_hash_is_named(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    run = interrupted(whole, tmp_path, 20)
    manifest = RunDirectory(run).manifest()
    manifest["hashes"]["tokenizer"] = "0" * 64
    RunDirectory(run).write_manifest(manifest)
    with pytest.raises(RunError, match="tokenizer is not what"):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)


def test_a_changed_digit_of_the_manifest_is_named(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    run = interrupted(whole, tmp_path, 20)
    text = (run / "manifest.json").read_text()
    (run / "manifest.json").write_text(text.replace('"total": ', '"total": 9', 1))
    with pytest.raises(
        RunError, match=r"manifest\.json is damaged or was changed \(its checksum does not match\); restore"
    ):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl", "events.jsonl"])
def test_a_flipped_bit_in_the_records_is_named_and_the_file_kept(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path, name: str
) -> None:
    run, said = interrupted(whole, tmp_path, 20), list[str]()
    content = bytearray((run / name).read_bytes())
    content[40] ^= 1
    (run / name).write_bytes(content)
    assert train(tiny_recipe, OVERRIDES, run=run, resume=True, say=said.append).finished
    assert any(f"{name} is damaged or was changed: its lines up to step 20" in line for line in said)
    assert (run / f"damaged-{name}").read_bytes() == bytes(content)
    ours, theirs = list_checkpoints(run)[-1], list_checkpoints(whole.path)[-1]
    assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


def test_a_finished_model_with_a_flipped_bit_is_named(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    (run / "model" / "README.md").write_text("The card is for people to edit.")
    assert train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet).stopped_because == "already_finished"
    content = bytearray((run / "model" / "model.safetensors").read_bytes())
    content[-7] ^= 1
    (run / "model" / "model.safetensors").write_bytes(content)
    with pytest.raises(
        RunError, match=r"model/model\.safetensors is missing or damaged .* copy it from the best checkpoint"
    ):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)
    for path in (run, run / "model"):
        with pytest.raises(RunError, match=r"model\.safetensors is missing or damaged"):
            LanguageModel.load(path)


def test_a_checkpoint_with_a_flipped_bit_is_not_loaded(whole: TrainedRun, tmp_path: Path) -> None:
    run = interrupted(whole, tmp_path, 20)
    checkpoint = list_checkpoints(run)[-1]
    content = bytearray((checkpoint / "model.safetensors").read_bytes())
    content[-7] ^= 1
    (checkpoint / "model.safetensors").write_bytes(content)
    for path in (run, checkpoint):
        with pytest.raises(
            CheckpointError, match=r"model\.safetensors is damaged: .*name another checkpoint of the run"
        ):
            LanguageModel.load(path)


def test_a_finished_run_is_left_as_it_is(whole: TrainedRun, tiny_recipe: Path) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in whole.path.rglob("*") if path.is_file() and path.name != "run.lock"
    }
    assert train(tiny_recipe, OVERRIDES, run=whole.path, resume=True, say=quiet).stopped_because == "already_finished"
    assert before == {path: path.stat().st_mtime_ns for path in before}
    with pytest.raises(RunError, match="already holds a finished run"):
        train(tiny_recipe, OVERRIDES, run=whole.path, say=quiet)


def test_a_report_that_the_last_crash_left_behind_is_written(
    whole: TrainedRun, tiny_recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    page = (run / "report.html").read_text()
    (run / "result.json").rename(tmp_path / "result.json")
    write_report(run)
    before_the_end = (run / "report.html").read_text()
    (tmp_path / "result.json").rename(run / "result.json")
    for stale in ("", before_the_end, page.replace("Finished", "Fjnished", 1)):
        (run / "report.html").unlink()
        if stale:
            (run / "report.html").write_text(stale)  # later than the model: what time it is proves nothing
        assert train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet).stopped_because == "already_finished"
        assert "Finished: 40 steps" in (run / "report.html").read_text()


def test_a_changed_result_is_named(whole: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    text = (run / "result.json").read_text()
    (run / "result.json").write_text(text.replace('"loss": ', '"loss": 6', 1))
    with pytest.raises(RunError, match=r"result\.json is damaged or was changed"):
        train(tiny_recipe, OVERRIDES, run=run, resume=True, say=quiet)


def test_resume_starts_a_run_that_is_not_there(tiny_recipe: Path, tmp_path: Path) -> None:
    trained = train(tiny_recipe, ["training.max_steps=2"], run=tmp_path / "new", resume=True, say=quiet)
    assert trained.finished


def test_the_runs_own_recipe_repeats_it(whole: TrainedRun, tmp_path: Path) -> None:
    again = train(whole.path / "recipe.toml", run=tmp_path / "again", say=quiet)
    assert_same(again.path, whole.path)

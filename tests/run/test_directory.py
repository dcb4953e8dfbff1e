"""The run directory: never overwritten, owned by one process, its records cut and read back."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from groundup.errors import MachineError, RunError
from groundup.run.directory import RunDirectory
from groundup.run.files import read_json, write_atomic
from groundup.run.listing import list_runs
from groundup.run.records import append_record, cut_records, read_records


def test_a_folder_with_something_in_it_is_never_taken(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "new").require_empty()
    (tmp_path / "letters").mkdir()
    RunDirectory(tmp_path / "letters").require_empty()
    (tmp_path / "letters" / "dear-anna.txt").write_text("…")
    with pytest.raises(RunError, match="letters is not empty and is not a run; name another folder with --run DIR"):
        RunDirectory(tmp_path / "letters").require_empty()
    with pytest.raises(RunError, match=r"dear-anna\.txt is a file, and a run needs a folder"):
        RunDirectory(tmp_path / "letters" / "dear-anna.txt").require_empty()
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.write_manifest({})
    with pytest.raises(RunError, match="already holds a run that has not finished: go on with --resume"):
        run.require_empty()
    (run.path / "model").mkdir()
    (run.path / "model" / "config.json").write_text("{}")
    with pytest.raises(RunError, match="already holds a finished run: go on with --resume"):
        run.require_empty()


HOLD = """
import sys
from pathlib import Path
from groundup.run.directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    input()
"""


def test_one_process_owns_a_run_and_a_dead_one_does_not(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.write_manifest({"created": "2026-01-01T00:00:00+00:00"})
    write_atomic(run.path / "recipe.toml", "[training]\nmax_steps = 5\n")
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "locked\n"
        with (
            pytest.raises(RunError, match=rf"is in use by process {owner.pid} on .* since .*: wait for it, stop it"),
            run.locked(),
        ):
            pass
        assert [found["state"] for found in list_runs(tmp_path)] == ["running"]
        owner.kill()
    with run.locked():
        pass
    (found,) = list_runs(tmp_path)
    assert (found["state"], found["max_steps"]) == ("stopped", 5)


def test_a_start_that_failed_leaves_no_folder(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "new")
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    assert not run.path.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(MachineError, match=r"file/run cannot be written \(Not a directory\); name another folder"),
        RunDirectory(tmp_path / "file" / "run").locked(),
    ):
        pass


def test_records_survive_a_crash_in_mid_line_and_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (10, 20, 30):
        append_record(path, {"step": step, "loss": 1 / step, "norm": math.inf})
    with path.open("a") as file:
        file.write('{"step": 40, "lo')
    assert [record["step"] for record in read_records(path)] == [10, 20, 30]
    cut_records(path, 20)
    append_record(path, {"step": 21, "loss": 0.1})
    assert read_records(path) == [
        {"step": 10, "loss": 0.1, "norm": None},
        {"step": 20, "loss": 0.05, "norm": None},
        {"step": 21, "loss": 0.1},
    ]
    assert read_records(tmp_path / "none.jsonl") == []


def test_a_record_after_a_line_cut_short_is_not_lost_with_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "ev')
    append_record(path, {"step": 3})
    append_record(path, {"step": None, "text": "a\u2028b\u0085c"})
    assert read_records(path) == [{"step": 1}, {"step": 3}, {"step": None, "text": "a\u2028b\u0085c"}]
    cut_records(path, 1)
    assert read_records(path) == [{"step": 1}, {"step": None, "text": "a\u2028b\u0085c"}]


def test_a_damaged_json_file_is_named(tmp_path: Path) -> None:
    for content in ("{", "[]", "\xff"):
        (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
        with pytest.raises(RunError, match=r"manifest\.json is (missing or )?damaged"):
            read_json(tmp_path / "manifest.json")


FULL_DISK = """
import resource, sys
from pathlib import Path
from groundup.errors import MachineError
from groundup.run.directory import RunDirectory
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    with RunDirectory(Path(sys.argv[1])).locked():
        pass
except MachineError as error:
    print(error)
"""


def test_a_disk_that_takes_not_a_byte_is_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"{tmp_path / 'run.lock'} cannot be written"), done.stderr


def test_runs_are_listed_with_their_best_loss(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    run = RunDirectory(tmp_path / "a")
    run.path.mkdir()
    run.write_manifest({"created": "2026-01-01T00:00:00+00:00"})
    write_atomic(run.path / "recipe.toml", "[training]\nmax_steps = 30\n")
    run.log_metrics({"kind": "validation", "step": 10, "loss": 2.0, "best": True})
    run.log_metrics({"kind": "validation", "step": 20, "loss": 1.5, "best": True})
    run.log_metrics({"kind": "validation", "step": 30, "loss": 1.7, "best": False})
    (tmp_path / "not-a-run").mkdir()
    (found,) = list_runs(tmp_path)
    assert found == {
        "run": str(run.path),
        "state": "stopped",
        "step": 30,
        "max_steps": 30,
        "best_loss": 1.5,
        "created": "2026-01-01T00:00:00+00:00",
        "plan": {},
    }
    write_atomic(run.path / "recipe.toml", "not toml")
    assert list_runs(tmp_path)[0]["state"] == "damaged"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file is not a folder"):
        list_runs(tmp_path / "file")


def test_valid_json_of_the_wrong_shape_is_damage_too(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.write_manifest({"hashes": 3})
    with pytest.raises(RunError, match=r"manifest\.json is damaged \(hashes is no table\)"):
        run.manifest()
    run.write_result({})
    with pytest.raises(RunError, match=r"result\.json is damaged \(best_step is missing\)"):
        run.result()
    (run.path / "metrics.jsonl").write_text('{"step": "x"}\n{"step": 3}\n[]\n')
    cut_records(run.path / "metrics.jsonl", 5)
    assert read_records(run.path / "metrics.jsonl") == [{"step": 3}]
    assert list_runs(tmp_path)[0]["state"] == "damaged"


def test_a_file_that_may_not_be_replaced_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(MachineError, match=r"manifest\.json cannot be written \(Is a directory\)"):
        RunDirectory(tmp_path).write_manifest({})


def test_a_folder_of_the_users_stays_when_nothing_came_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("mine", "ours"):
        with RunDirectory(tmp_path / name).locked():
            pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path / "gone")
    with pytest.raises(RunError, match="run is a link that leads nowhere; mend it"):
        RunDirectory(tmp_path / "run").require_empty()


def test_listing_takes_a_run_itself_and_passes_over_what_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "secret"):
        (tmp_path / name).mkdir()
        RunDirectory(tmp_path / name).write_manifest({})
    assert [run["run"] for run in list_runs(tmp_path / "first")] == [str(tmp_path / "first")]
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if path.parent.name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert [run["run"] for run in list_runs(tmp_path)] == [str(tmp_path / "first")]


def test_someone_who_only_looks_does_not_keep_a_run_from_beginning(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    with (run.path / "run.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        with run.locked():
            assert f"process {os.getpid()} on " in (run.path / "run.lock").read_text()


def test_a_lock_that_another_took_away_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails before there is anything to keep deletes its lock; who waited for that one owns nothing."""
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    lock = run.path / "run.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def fail(seconds: float) -> None:
            lock.unlink()
            fcntl.flock(file, fcntl.LOCK_UN)

        monkeypatch.setattr(time, "sleep", fail)  # just while the other one waits
        with pytest.raises(RunError, match=r"run\.lock was taken away by a process that failed"), run.locked():
            pass
    with run.locked():
        pass


def test_a_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with (
        pytest.raises(MachineError, match=r"run\.lock cannot be locked \(No locks available\), so two processes might"),
        RunDirectory(tmp_path / "run").locked(),
    ):
        pass


def test_a_run_that_cannot_be_read_is_listed_beside_the_others(tmp_path: Path) -> None:
    """A link to itself is a file that nobody can read, the superuser neither."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        RunDirectory(tmp_path / name).write_manifest({})
        write_atomic(tmp_path / name / "recipe.toml", "[training]\nmax_steps = 5\n")
    (tmp_path / "first" / "recipe.toml").unlink()
    (tmp_path / "first" / "recipe.toml").symlink_to("recipe.toml")
    assert [run["state"] for run in list_runs(tmp_path)] == ["unreadable", "stopped"]

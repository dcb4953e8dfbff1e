"""Storage that fills up, turns read-only, or goes, just before any of a run's changes to its files; and a kill there, too."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.system.faults.ground import (
    FaultError,
    Ground,
    Summary,
    finish_run,
    log_of,
    require,
    require_one_sentence,
    require_readable,
    start,
    train_arguments,
)
from tests.system.faults.operations import FAULTS, FILLER, allow_again, at_operation, list_operations

from groundup.run.checkpoints import list_checkpoints

Show = Callable[[str], None]


def operations_of(ground: Ground) -> dict[str, list[int]]:
    """Which changes an undisturbed run makes to its folder: each kind, and which in the row they are, from 1."""
    run, into = ground.folder / "listed", ground.folder / "operations.txt"
    into.unlink(missing_ok=True)
    child = start(train_arguments(ground, run), log_of(run), None, False, list_operations, str(run), str(into))
    require(child.wait() == 0, child.said())
    kinds: dict[str, list[int]] = {}
    for number, line in enumerate(into.read_text().splitlines(), 1):
        kinds.setdefault(line, []).append(number)
    shutil.rmtree(run)
    return kinds


def at_each_operation(
    fault: str, ground: Ground, kinds: dict[str, list[int]], random_: random.Random, share: float, show: Show
) -> Summary:
    """Let the fault come once before an operation of each kind (or of a share of them), undo it, resume, and compare the bits."""
    summary = Summary(f"{fault}, before each kind of change to a file")
    chosen = sorted(kinds) if share == 1 else random_.sample(sorted(kinds), max(1, round(share * len(kinds))))
    mounted = fault in ("disk full", "read-only", "unmounted")
    disk = ground.folder / "disk"
    for kind in chosen:
        number = random_.choice(kinds[kind])
        disk.mkdir(exist_ok=True)
        if mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "faults", str(disk)], check=True)
        run = disk / "run"
        log = ground.folder / "operation.log"
        child = start(train_arguments(ground, run), log, None, False, at_operation, str(run), number, fault, str(disk))
        try:
            code = child.wait()
            said = child.said()
            summary.times += 1
            _require_ending(fault, code, said, run, summary)
            _undo(fault, disk, run)
            require_readable(run)
            finish_run(ground, run)
        except FaultError as error:
            summary.failures.append(f"before {kind} ({number}): {error}")
        for place in (disk, disk.with_name("disk-away")):
            if os.path.ismount(place):
                subprocess.run(["umount", str(place)], check=True)
        shutil.rmtree(disk, ignore_errors=True)
        log_of(run).unlink(missing_ok=True)
        show(f"{summary.times}/{len(chosen)}, {len(summary.failures)} failures")
    return summary


def _require_ending(fault: str, code: int, said: str, run: Path, summary: Summary) -> None:
    """It ended as this fault lets it: killed, with one sentence that names a file of the run, or well, for nothing was lost."""
    if fault == "kill -9":
        require(code == -9, f"it ended with {code}")
        summary.count("killed")
        return
    require(code in (0, 1), f"it ended with {code}: {said[-500:]}")
    require("Traceback" not in said, said[-1500:])
    if code == 0:
        summary.count("ended well")
        return
    require_one_sentence(said, str(run.parent))
    summary.count("one sentence")


def _undo(fault: str, disk: Path, run: Path) -> None:
    """Storage is as it should be again."""
    if fault == "disk full":
        (disk / FILLER).unlink(missing_ok=True)
    elif fault == "read-only":
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    elif fault == "forbidden":
        allow_again(run)
    elif fault == "moved":
        moved = run.with_name("run-moved")
        if moved.exists():
            require(not (run / "manifest.json").exists(), "a second run began beside the one that was moved away")
            require(
                not run.exists(),
                f"the run's folder was made anew after it was moved away: {sorted(os.listdir(run)) if run.exists() else ''}",
            )
            moved.rename(run)
    elif fault == "unmounted":
        away = disk.with_name("disk-away")
        if os.path.ismount(away):
            begun = (away / run.name).exists()  # before that, nobody can know that it is not where it belongs
            require(
                not begun or not any(disk.iterdir()),
                f"something was written where the disk had been: {sorted(os.listdir(disk))}",
            )
            subprocess.run(["mount", "--move", str(away), str(disk)], check=True)


def start_on_bad_storage(ground: Ground, show: Show) -> Summary:
    """Begin, resume and read on a disk that is full or read-only from the start."""
    summary = Summary("full or read-only from the start")
    disk = ground.folder / "disk"
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "faults", str(disk)], check=True)
    try:
        for half in ("new", "half"):
            run = disk / half
            if half == "half":
                child = start(
                    train_arguments(ground, run, False),
                    log_of(run),
                    None,
                    False,
                    at_operation,
                    str(run),
                    60,
                    "kill -9",
                    str(disk),
                )
                require(child.wait() == -9, child.said())
            log = ground.folder / "bad.log"
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            _refused(ground, run, log, summary)
            if half == "half":
                require_readable(run)
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            FAULTS["disk full"](disk, run)
            _refused(ground, run, log, summary)
            if half == "half":
                require_readable(run)
            (disk / FILLER).unlink()
            finish_run(ground, run)
    except FaultError as error:
        summary.failures.append(str(error))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    show(f"{summary.times} starts")
    return summary


def _refused(ground: Ground, run: Path, log: Path, summary: Summary) -> None:
    child = start(train_arguments(ground, run, True), log)
    require(child.wait() == 1, f"it went on: {child.said()}")
    require_one_sentence(child.said(), str(run))
    summary.times += 1
    summary.count("one sentence")


def go_on_in_an_image(
    ground: Ground, kinds: dict[str, list[int]], random_: random.Random, times: int, show: Show
) -> Summary:
    """A killed run is part of a container's image, where files can be hidden and no folder can be renamed; in the container it goes on.

    Every second time its newest checkpoint has a flipped byte, too, and is set aside.
    """
    summary = Summary("killed, and gone on with in a container, whose image the run is in")
    last = max(numbers[-1] for numbers in kinds.values())
    for number in range(times):
        layers = {name: ground.folder / f"image-{name}" for name in ("lower", "upper", "work", "container")}
        for folder in layers.values():
            folder.mkdir()
        run = layers["lower"] / "run"
        when = random_.randrange(last // 2, last)
        arguments = (str(run), when, "kill -9", str(run.parent))
        child = start(train_arguments(ground, run), log_of(run), None, False, at_operation, *arguments)
        try:
            require(child.wait() == -9, child.said())
            log_of(run).unlink()
            saved = list_checkpoints(run)
            if number % 2 and len(saved) > 1:
                content = bytearray((saved[-1] / "optimizer.safetensors").read_bytes())
                content[-1] ^= 1
                (saved[-1] / "optimizer.safetensors").write_bytes(content)
                summary.count("a damaged checkpoint set aside")
            places = ",".join(f"{name}dir={layers[name]}" for name in ("lower", "upper", "work"))
            command = ["mount", "-t", "overlay", "faults", "-o", places, str(layers["container"])]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                summary.skipped = "no overlay may be mounted here"
                break
            summary.times += 1
            finish_run(ground, layers["container"] / "run")
            summary.count("gone on with")
        except FaultError as error:
            summary.failures.append(f"before operation {when}: {error}")
        finally:
            if os.path.ismount(layers["container"]):
                subprocess.run(["umount", str(layers["container"])], check=True)
            for folder in layers.values():
                shutil.rmtree(folder)
        show(f"{summary.times}/{times} containers, {len(summary.failures)} failures")
    return summary

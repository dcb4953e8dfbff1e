"""`groundup data prepare` and `inspect`, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.forked import groundup

from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

LONG = " ".join(f"She said that sentence {number} is about {number * number}, and he agreed." for number in range(60))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(LONG)
    (folder / "b.txt").write_text(LONG.replace("sentence 30 ", "sentence thirty "))
    (folder / "c.md").write_text("Another text of a few words.\r\n")
    (folder / "d.jsonl").write_text('{"text": "A row.", "license": "CC0", "language": "en"}\nno row\n')
    (folder / "e.png").write_bytes(b"\x89PNG")
    return folder


def test_a_folder_is_prepared_and_one_can_read_what_happened(texts: Path, tmp_path: Path) -> None:
    cache = {"GROUNDUP_CACHE": str(tmp_path / "cache")}
    output = tmp_path / "clean"
    refused = groundup("data", "prepare", texts, "--output", output, environment=cache)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(f"groundup: {texts}/d.jsonl, line 2 is not valid JSON")
    assert not output.exists()
    done = groundup("data", "prepare", texts, "--skip-bad", "--output", output, "--json", environment=cache)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert [(row["step"], row["documents"]) for row in facts["funnel"]][:1] == [("read", 4)]
    assert facts["funnel"][-1]["documents"] == 3
    assert facts["tally"]["dropped"] == {"near-duplicate": 1}
    assert facts["unreadable"] == {"not JSON": 1}
    assert f"{texts}/d.jsonl, line 2 is not valid JSON" in (output / "report.html").read_text()
    assert facts["left_out"] == {str(texts): {".png": 1}}
    assert facts["composition"]["groups"]["gender"] == {"female": 60, "male": 60}
    assert facts["composition"]["licenses"] == {"unknown": 2, "CC0": 1}
    removed = [json.loads(line) for line in (output / "removed.jsonl").read_text().splitlines()]
    assert removed == [{"id": "b.txt", "source": str(texts), "reason": "near-duplicate", "detail": "of a.txt"}]
    page = (output / "report.html").read_text()
    assert "near-duplicate" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    documents = read_documents(DataSettings(str(output)), tmp_path / "other", print)
    assert [document.id for document in documents] == ["a.txt", "c.md", "d.jsonl:1"]
    assert documents[2].license == "CC0"
    assert documents[2].metadata["language"] == "en"
    again = groundup("data", "prepare", texts, "--output", output, environment=cache)
    assert again.returncode == 1
    assert "is there already and is not an empty folder" in again.stderr


def test_inspect_shows_prepared_text_and_any_other(texts: Path, tmp_path: Path) -> None:
    cache = {"GROUNDUP_CACHE": str(tmp_path / "cache")}
    groundup("data", "prepare", texts, "--skip-bad", "--output", tmp_path / "clean", environment=cache)
    shown = groundup("data", "inspect", tmp_path / "clean", "--page", tmp_path / "page.html", environment=cache)
    assert "dropped: near-duplicate" in shown.stdout
    assert "of a.txt" in shown.stdout
    assert (tmp_path / "page.html").read_text() == (tmp_path / "clean/report.html").read_text()
    plain = groundup("data", "inspect", texts, "--skip-bad", "--json", environment=cache)
    assert json.loads(plain.stdout)["composition"]["documents"] == 4  # nothing is dropped by looking
    (tmp_path / "clean/documents-00000.jsonl").write_text("")
    damaged = groundup("data", "inspect", tmp_path / "clean", environment=cache)
    assert damaged.returncode == 1
    assert "documents-00000.jsonl is not as it was written: prepare the text again" in damaged.stderr


def test_settings_are_given_as_in_a_recipe(texts: Path, tmp_path: Path) -> None:
    cache = {"GROUNDUP_CACHE": str(tmp_path / "cache")}
    for near, left in (("off", 4), ("drop", 3)):
        output = tmp_path / near
        done = groundup(
            "data",
            "prepare",
            texts,
            f"data.duplicates.near={near}",
            "--skip-bad",
            "--output",
            output,
            "--json",
            environment=cache,
        )
        assert json.loads(done.stdout)["funnel"][-1]["documents"] == left
    wrong = groundup("data", "prepare", texts, "data.duplicates.nea=off", "--output", tmp_path / "x", environment=cache)
    assert "did you mean data.duplicates.near?" in wrong.stderr
    nothing = groundup("data", "prepare", "data.skip_bad=true", "--output", tmp_path / "x", environment=cache)
    assert "no source is named" in nothing.stderr


def test_a_tokenizer_of_texts_that_cannot_be_read_is_told_without_a_setting_that_nobody_takes(
    texts: Path, tmp_path: Path
) -> None:
    cache = {"GROUNDUP_CACHE": str(tmp_path / "cache")}
    refused = groundup("tokenizer", "train", texts, "--output", tmp_path / "tokenizer", environment=cache)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith("; mend it, or take it out")
    missing = groundup("tokenizer", "train", "./no-texts", "--output", tmp_path / "tokenizer", environment=cache)
    assert missing.stderr.startswith("groundup: './no-texts': there is no such file or folder")
    assert not (tmp_path / "tokenizer").exists()


def test_standard_input_is_a_source(tmp_path: Path) -> None:
    rows = '{"text": "Some text from a pipe.\\n"}\n'
    done = groundup(
        "data", "inspect", "-.jsonl", "--json", stdin=rows, environment={"GROUNDUP_CACHE": str(tmp_path / "cache")}
    )
    assert json.loads(done.stdout)["composition"]["characters"] == 23


def ctrl_c(command: list[object], when: Callable[[], bool], cache: Path) -> tuple[int, str]:
    """What a command ends with, and says, that gets Ctrl-C as soon as something holds; its standard input stays open."""
    with subprocess.Popen(
        [sys.executable, "-m", "groundup", *map(str, command)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GROUNDUP_CACHE": str(cache)},
    ) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 60
        while not when() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    return process.returncode, said


def test_ctrl_c_says_what_was_not_written(texts: Path, tmp_path: Path) -> None:
    cache, output = tmp_path / "cache", tmp_path / "output"
    waits_for_text = ["data", "prepare", "-", "--output", output]
    ended = ctrl_c(waits_for_text, lambda: any((cache / "standard-input").glob("*")), cache)
    done = f"groundup: stopped; {output} was not written; the same command goes on from what was done\n"
    assert (ended, output.exists()) == ((130, done), False)
    (texts / "long.txt").write_text(LONG * 1000)
    takes_a_while = ["tokenizer", "train", texts / "*.txt", "--output", output]
    ended = ctrl_c(takes_a_while, output.is_dir, cache)
    assert (ended, output.exists()) == ((130, f"groundup: stopped; {output} was not written\n"), False)

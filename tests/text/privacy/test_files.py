from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.errors import DataError, MissingExtraError
from groundup.text.privacy.files import scrub_file, shape
from groundup.text.privacy.name_model import load_pipeline
from groundup.text.privacy.settings import PrivacySettings

GOOD = '{"id": 1, "text": "Write to ann@mail.org", "more": {"a": [1, 2]}}'
SETTINGS = PrivacySettings("placeholder")


def write(folder: Path, *lines: str | bytes, name: str = "in.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return path


def test_rows_keep_their_other_keys_and_their_order(tmp_path: Path) -> None:
    source = write(tmp_path, GOOD, "", '{"text": "Grüße"}')
    report = scrub_file(source, tmp_path / "out.jsonl", SETTINGS)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{"id": 1, "text": "Write to <EMAIL>", "more": {"a": [1, 2]}}, {"text": "Grüße"}]
    assert list(rows[0]) == ["id", "text", "more"]
    assert (report.rows, report.changed, report.found, report.rows_with) == (2, 1, {"email": 1}, {"email": 1})
    assert report.other_keys == ["id", "more"]
    assert report.examples == {"email": ["xxx@xxxx.xxx"]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("no JSON", "it is not JSON"),
        ("[1]", "it is a JSON list, not an object"),
        ('{"txt": "a"}', 'it has no "text"'),
        ('{"text": 1}', 'its "text" is int, not a string'),
        ('{"text": "\\ud800"}', "half of a surrogate pair"),
        (b'{"text": "\xff"}', "byte 10 (0xff) is not UTF-8"),
    ],
)
def test_a_broken_row_is_named_by_file_and_line_or_counted(tmp_path: Path, row: str | bytes, said: str) -> None:
    source, output = write(tmp_path, GOOD, row), tmp_path / "out.jsonl"
    with pytest.raises(DataError) as caught:
        scrub_file(source, output, SETTINGS)
    assert f"{source}, line 2: " in str(caught.value)
    assert said in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]  # nothing half-written
    report = scrub_file(source, output, SETTINGS, skip_bad=True)
    assert (report.rows, report.skipped, report.skipped_lines) == (1, 1, [2])


def test_a_plain_text_and_dropped_rows(tmp_path: Path) -> None:
    scrub_file(write(tmp_path, "ann@mail.org", name="a.md"), tmp_path / "b.md", SETTINGS)
    assert (tmp_path / "b.md").read_text(encoding="utf-8") == "<EMAIL>\n"
    report = scrub_file(write(tmp_path, GOOD, '{"text": "b"}'), tmp_path / "o.jsonl", PrivacySettings(mode="drop"))
    assert (report.rows, report.dropped) == (2, 1)
    assert (tmp_path / "o.jsonl").read_text(encoding="utf-8") == '{"text": "b"}\n'


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    source = write(tmp_path, GOOD)
    with pytest.raises(DataError, match=r"in\.jsonl is there already: name a new file"):
        scrub_file(source, source, SETTINGS)
    with pytest.raises(DataError, match="is not there: name a file"):
        scrub_file(tmp_path / "none.jsonl", tmp_path / "out.jsonl", SETTINGS)
    with pytest.raises(DataError, match=r"ends in .jsonl"):
        scrub_file(tmp_path / "a.png", tmp_path / "out.jsonl", SETTINGS)
    with pytest.raises(DataError, match="there is no folder"):
        scrub_file(source, tmp_path / "no" / "out.jsonl", SETTINGS)


def test_examples_show_no_value() -> None:
    assert shape("Jane.Doe@mail.org  +44 20") == "xxxx.xxx@xxxx.xxx +99 99"
    assert len(shape("a" * 100)) == 40


def test_the_command(tmp_path: Path) -> None:
    source = write(tmp_path, GOOD, "broken")
    arguments = ["data", "scrub", str(source), "--output", str(tmp_path / "out.jsonl"), "--skip-bad", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["found"], report["skipped"], report["skipped_lines"]) == ({"email": 1}, 1, [2])
    shown = CliRunner().invoke(
        app, ["data", "scrub", str(source), "--output", str(tmp_path / "two.jsonl"), "--skip-bad"]
    )
    assert "xxx@xxxx.xxx" in shown.stdout
    assert "1 that can't be read left out (line 2)" in shown.stdout
    assert "ann@" not in shown.stdout
    assert 'only "text" was looked into; other keys are as they were: id, more' in shown.stdout


def test_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'groundup\[names\]'"):
        load_pipeline("no_such_pipeline")

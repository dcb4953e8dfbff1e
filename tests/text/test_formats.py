"""Each format against files that its own library wrote, and against files that are broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

import groundup.text.decode as decode
import groundup.text.rows as rows
import groundup.text.table as table
from groundup.errors import DataError
from groundup.text.bad_input import BadInput
from groundup.text.document import Document
from groundup.text.formats import File, read_file
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

ROWS: list[dict[str, Any]] = [
    {"id": "one", "text": "The first text,\nwith a line end.", "license": "CC0", "language": "en"},
    {"id": "two", "text": 'Ein "zweiter" Text; Grüße, 世界', "license": "CC-BY", "language": "de"},
]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(
    source: str, skip_bad: bool = False, text_field: str = "text", said: list[str] | None = None
) -> list[Document]:
    say = (lambda line: None) if said is None else said.append
    return read_documents(DataSettings(source, skip_bad=skip_bad, text_field=text_field), Path("cache"), say)


def failure(source: str, **others: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(source, **others)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_rows(name: str) -> None:
    table = pa.Table.from_pylist(ROWS)
    if name.endswith((".jsonl", ".ndjson")):
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(ROWS, ensure_ascii=False))
    elif name.endswith((".csv", ".tsv")):
        with open(name, "w", newline="") as file:
            writer = csv.DictWriter(file, list(ROWS[0]), delimiter="\t" if name.endswith(".tsv") else ",")
            writer.writeheader()
            writer.writerows(ROWS)
    elif name.endswith(".parquet"):
        pq.write_table(table, name)
    elif name.endswith(".arrow"):
        with pa.OSFile(name, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "arrow"])
def test_rows_of_every_format(suffix: str) -> None:
    write_rows(f"texts.{suffix}")
    documents = read(f"texts.{suffix}")
    assert [(document.id, document.text, document.license) for document in documents] == [
        (row["id"], row["text"], row["license"]) for row in ROWS
    ]
    assert [document.metadata for document in documents] == [{"language": "en"}, {"language": "de"}]


def test_an_arrow_file_with_random_access() -> None:
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile("texts.arrow", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert [document.text for document in read("texts.arrow")] == [row["text"] for row in ROWS]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstd.compress)])
def test_packed_files_are_unpacked_as_they_are_read(suffix: str, pack: Any) -> None:
    content = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    Path("packed").mkdir()
    Path(f"packed/rows.jsonl{suffix}").write_bytes(pack(content))
    Path(f"packed/text.txt{suffix}").write_bytes(pack("Grüße".encode()) + pack(b" twice"))  # two streams are one file
    assert [document.text for document in read("packed")] == [*(row["text"] for row in ROWS), "Grüße twice"]
    long = pack(json.dumps({"text": "word " * 100_000}).encode())
    Path(f"cut.jsonl{suffix}").write_bytes(long[:-5])
    Path(f"bad.txt{suffix}").write_bytes(b"no such stream")
    for name in (f"cut.jsonl{suffix}", f"bad.txt{suffix}"):
        assert (
            failure(name) == f"{name} is cut off or damaged (it cannot be unpacked to its end): fetch or copy it again"
        )


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_cut_off_table_is_named(suffix: str) -> None:
    write_rows(f"texts.{suffix}")
    content = Path(f"texts.{suffix}").read_bytes()
    Path(f"texts.{suffix}").write_bytes(content[: len(content) // 3])
    assert failure(f"texts.{suffix}").startswith(f"texts.{suffix} is not a whole ")


def test_ids_and_metadata_of_rows_that_have_none() -> None:
    Path("rows.jsonl").write_text(
        '\n{"text": "a", "n": 3, "long": "%s", "metadata": {"language": "fr"}}\n' % ("x" * 501)
    )
    (document,) = read("rows.jsonl")
    assert (document.id, document.license) == ("rows.jsonl:2", "unknown")
    assert document.metadata == {"n": "3", "language": "fr"}


def test_another_key_for_the_text() -> None:
    Path("rows.jsonl").write_text('{"content": "a"}\n')
    assert failure("rows.jsonl").startswith(
        "rows.jsonl, line 1 has no 'text', but 'content': name the text's key with data.text_field"
    )
    assert [document.text for document in read("rows.jsonl", text_field="content")] == ["a"]
    Path("rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    assert failure("rows.jsonl").startswith(
        "rows.jsonl, line 1 has no 'text', but 'prompt', 'completion': learn from such rows with training.objective = "
        "'instruction' and a model.base, or name the text's key with data.text_field"
    )


BAD_ROWS = {
    '{"text": "cut': "line 2 is not valid JSON (Unterminated string",
    "[1, 2]": "line 2 is not a JSON object with a text in it",
    '{"text": null}': "line 2: 'text' is null, not a text",
    '{"text": 3}': "line 2: 'text' is a int, not a text",
    '{"body": "x"}': "line 2 has no 'text', but 'body'",
    '{"text": "a", "id": "\\ud800"}': "line 2: 'id' holds half of a surrogate pair",
    '{"text": "a", "title": "\\udc00"}': "line 2: 'title' holds half of a surrogate pair",
    '{"text": "a", "t\\ud800": "b"}': "line 2: the name 't\\ud800' holds half of a surrogate pair",
    '{"text": "half \\ud800"}': "line 2: 'text' holds half of a surrogate pair",
    "[" * 100_000: "line 2 is not valid JSON (it is nested too deeply)",
}


@pytest.mark.parametrize("line", BAD_ROWS)
def test_a_broken_row_is_named_or_left_out_and_counted(line: str) -> None:
    Path("rows.jsonl").write_text('{"text": "good"}\n' + line + '\n{"text": "also good"}\n')
    message = failure("rows.jsonl")
    assert message.startswith(f"rows.jsonl, {BAD_ROWS[line]}")
    assert message.endswith("mend it, or leave such files and rows out, counted, with data.skip_bad=true")
    said: list[str] = []
    assert [document.text for document in read("rows.jsonl", skip_bad=True, said=said)] == ["good", "also good"]
    assert said[0].startswith("warning: 1 file or row left out: ")
    assert BAD_ROWS[line] in said[1]


def test_bytes_that_are_not_utf8_within_rows() -> None:
    Path("rows.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    assert "line 1 is not valid JSON (byte 13 is not UTF-8)" in failure("rows.jsonl")
    Path("rows.csv").write_bytes(b"text\ncaf\xe9\n")
    assert "rows.csv is not UTF-8 text: byte 8 (0xe9, in line 2) does not fit" in failure("rows.csv")


def test_a_table_whose_strings_are_no_utf8_is_told_by_its_rows() -> None:
    ends, content = (
        pa.py_buffer(b"".join(end.to_bytes(4, "little") for end in (0, 3, 5, 7))),
        pa.py_buffer(b"abc\xff\xfeab"),
    )
    times = pa.array([1, 2, 3], pa.timestamp("ns"))  # finer than Python's
    pq.write_table(pa.table({"time": times, "text": pa.StringArray.from_buffers(3, ends, content)}), "texts.parquet")
    assert failure("texts.parquet").startswith(
        "texts.parquet, row 2 holds what is no value of its column ('utf-8' codec"
    )
    assert [document.text for document in read("texts.parquet", skip_bad=True)] == ["abc", "ab"]


def test_a_row_of_a_table_with_a_broken_line_in_it_is_left_out_whole() -> None:
    Path("rows.csv").write_bytes(b'id,text\n1,"first\nbroken \xff\nthird"\n2,good\n3,"never closed\n4,last\n')
    assert failure("rows.csv").startswith("rows.csv is not UTF-8 text: byte 24 (0xff, in line 3)")
    said: list[str] = []
    assert [document.text for document in read("rows.csv", skip_bad=True, said=said)] == ["good"]
    assert said[0] == "warning: 2 files or rows left out: not UTF-8 (1), not a row (1)"
    assert said[2].startswith("  rows.csv, lines 6 to 7: this is not a table's row")


@pytest.mark.parametrize("content", ["id;text\n1;a, b\n", '\n\nid,text\n1,"a, b"\n', "id\ttext\n1\ta, b\n"])
def test_tables_as_spreadsheets_write_them(content: str) -> None:
    Path("rows.csv").write_text(content)
    assert [(document.id, document.text) for document in read("rows.csv")] == [("1", "a, b")]


def test_a_table_whose_first_line_cannot_be_read_has_no_rows() -> None:
    Path("texts").mkdir()
    for name in ("texts/a.csv", "texts/b.jsonl"):
        Path(name).write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-16")
    Path("texts/c.txt").write_text("good")
    said: list[str] = []
    assert [document.text for document in read("texts", skip_bad=True, said=said)] == ["good"]
    assert said[0] == "warning: 2 files or rows left out: not text (2)"
    assert said[2] == "  texts/b.jsonl is UTF-16 text: convert it, e.g. with  iconv -f utf-16 -t utf-8 FILE > NEW"


def test_a_long_line_of_a_table_is_refused_without_reading_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LONGEST_LINE", 1000)
    Path("rows.csv").write_text("text\na\n%s\nb\n" % ("x" * 5_000_000))
    assert failure("rows.csv").startswith("rows.csv, line 3 is longer than 0 MB")
    assert [document.text for document in read("rows.csv", skip_bad=True)] == ["a", "b"]


def test_what_was_read_of_a_damaged_file_is_kept_and_said() -> None:
    Path("texts").mkdir()
    content = "".join(f'{{"text": "row {number}"}}\n' for number in range(20_000)).encode()
    Path("texts/rows.jsonl.gz").write_bytes(gzip.compress(content)[:-20_000])
    said: list[str] = []
    documents = read("texts", skip_bad=True, said=said)
    assert said[0] == "warning: 1 file or row left out: damaged (1)"
    assert said[1].endswith(f"(what was read of it before that, {len(documents):,} documents, is kept)")
    assert "data.skip_bad=true" in failure("texts")


def test_nothing_that_can_be_read_is_an_error_even_if_bad_input_is_left_out() -> None:
    Path("texts").mkdir()
    Path("texts/a.jsonl").write_text('no row\n{"text": ""}\n')
    Path("texts/b.txt").write_text("")
    assert failure("texts", skip_bad=True).startswith(
        "data.source = 'texts' holds no text: nothing in it can be read (texts/a.jsonl, line 1 is not valid JSON"
    )


def test_tables_that_are_none() -> None:
    Path("rows.csv").write_text('id,text\n1,a\n2,b,c\n3,"d"x\n4,e\n')
    assert failure("rows.csv").startswith("rows.csv, line 3 has 3 columns where the first line has 2")
    said: list[str] = []
    assert [document.id for document in read("rows.csv", skip_bad=True, said=said)] == ["1", "4"]
    assert "wrong number of columns (1), not a row (1)" in said[0]
    Path("list.json").write_text('{"text": "a"}')
    assert failure("list.json").startswith("list.json is not a JSON list of objects")


def test_a_row_of_many_megabytes_is_refused_without_reading_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST_ROW", 1000)
    Path("rows.jsonl").write_text('{"text": "a"}\n{"text": "%s"}\n{"text": "b"}\n' % ("x" * 5_000_000))
    assert failure("rows.jsonl").startswith("rows.jsonl, line 2 is longer than 0 MB")
    assert [document.text for document in read("rows.jsonl", skip_bad=True)] == ["a", "b"]


def test_bad_files_of_a_folder_are_left_out_when_asked() -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_bytes(b"\x7fELF\0\0")
    Path("texts/b.txt").write_bytes(b"caf\xe9")
    Path("texts/c.txt").write_text("good")
    Path("texts/d.txt").symlink_to("gone.txt")
    assert "texts/a.txt is not text: byte 4 is zero" in failure("texts")
    said: list[str] = []
    assert [document.text for document in read("texts", skip_bad=True, said=said)] == ["good"]
    assert said[0] == "warning: 3 files or rows left out: not text (2), unreadable (1)"
    assert failure("texts/b.txt", skip_bad=True).startswith("texts/b.txt is not UTF-8 text")  # it was asked for by name


def test_ids_are_made_unique() -> None:
    Path("rows.jsonl").write_text('{"id": 7, "text": "a"}\n{"id": 7, "text": "b"}\n{"id": 7, "text": "c"}\n')
    said: list[str] = []
    assert [document.id for document in read("rows.jsonl", said=said)] == ["7", "7#2", "7#3"]
    Path("taken.jsonl").write_text(
        "".join(f'{{"id": "{own}", "text": "a"}}\n' for own in ("a", "a#2", "a", "a", "a#3"))
    )
    assert [document.id for document in read("taken.jsonl")] == ["a", "a#2", "a#3", "a#4", "a#3#2"]
    assert said == [
        "warning: rows.jsonl has two documents with the id '7': the later is called 7#2",
        "warning: 2 documents of rows.jsonl had an id that was taken, and got a new one",
    ]


def test_what_is_no_text_is_counted() -> None:
    Path("texts").mkdir()
    for name in ("a.txt", "b.png", "c.png", "d.pdf", "e"):
        Path("texts", name).write_text("x")
    said: list[str] = []
    assert [document.id for document in read("texts", said=said)] == ["a.txt"]
    assert said == [
        "warning: of the folder texts, 4 files are of no kind that is read: .png (2), .pdf (1), no suffix (1)"
    ]


def test_source_code_is_plain_text() -> None:
    Path("code").mkdir()
    Path("code/a.py").write_text("def f():\n    return 1\n")
    assert [document.text for document in read("code")] == ["def f():\n    return 1\n"]


PAGE = """<!doctype html><html><head><title>A &amp; B</title><style>p {color: red}</style>
<script>var x = "<p>not seen</p>";</script></head><body><nav><a href="/">Home</a></nav>
<h1>Heading</h1><p>One   paragraph
over two lines,<br>and a third with <b>bold</b>, 5 &lt; 6 &eacute;.</p>
<ul><li>first<li>second</ul><pre>  kept
    as is</pre><script>alert(1)</script></body></html>"""


def test_an_html_page_is_what_a_reader_sees() -> None:
    Path("page.html").write_text(PAGE)
    (document,) = read("page.html")
    assert document.text == (
        "Heading\n\nOne paragraph over two lines,\nand a third with bold, 5 < 6 é.\n\nfirst\nsecond\n\n  kept\n    as is"
    )
    assert document.metadata == {"title": "A & B"}


@pytest.mark.parametrize(
    "page", ["<head><title>T</title><meta charset=utf-8><p>seen", "<html><head><title>T</title><h1>seen"]
)
def test_the_ends_of_a_pages_head_may_be_left_out(page: str) -> None:
    Path("page.html").write_text(page)
    (document,) = read("page.html")
    assert (document.text, document.metadata) == ("seen", {"title": "T"})


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="<>/abp \n&;!-\"'=", max_size=60))
def test_no_markup_is_too_broken(page: str) -> None:
    from groundup.text.html import html_text

    text, _ = html_text(page)
    assert "\n\n\n" not in text


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aé世\U0001f600\n", max_size=80), st.integers(8, 30))
def test_a_large_text_is_read_in_parts_that_make_the_whole(text: str, size: int) -> None:
    whole, part = decode.WHOLE_BYTES, decode.PART_BYTES
    decode.WHOLE_BYTES, decode.PART_BYTES = size, size
    try:
        parts = [piece for piece, _ in decode.decode_parts(io.BytesIO(text.encode()), "name")]
    finally:
        decode.WHOLE_BYTES, decode.PART_BYTES = whole, part
    assert "".join(parts) == text
    assert all(len(piece.encode()) <= size for piece in parts)


def test_parts_have_names_and_errors_tell_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "WHOLE_BYTES", 20)
    monkeypatch.setattr(decode, "PART_BYTES", 20)
    Path("a.txt").write_text("first line\n\nsecond line\nthird line\n")
    assert [(document.id, document.text) for document in read("a.txt")] == [
        ("a.txt", "first line\n\n"),
        ("a.txt#2", "second line\n"),
        ("a.txt#3", "third line\n"),
    ]
    Path("a.txt").write_bytes(b"first line\n\nsecond line\nthi\xffrd line\n")
    assert "byte 27 (0xff, in line 4)" in failure("a.txt")


def test_only_the_first_few_bad_rows_are_shown() -> None:
    numbered = BadInput(skip=True)
    for number in range(20):
        numbered(f"row {number}", "broken" if number % 2 else "empty")
    said: list[str] = []
    numbered.tell(said.append)
    assert said[1:] == ["  row 0", "  row 2", "  row 4", "  row 1", "  row 3", "  row 5"]
    assert "20 files or rows left out: empty (10), broken (10)" in said[0]


def test_line_ends_of_rows_are_mended_and_told(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "one\\r\\ntwo"}\n{"text": "three"}\n')
    first, second = read_file(File("rows.jsonl", tmp_path / "rows.jsonl", "here"), "text", BadInput(False))
    assert (first.text, first.repairs) == ("one\ntwo", ("line endings normalized",))
    assert second.repairs == ()


def test_two_columns_of_one_name_are_named() -> None:
    Path("rows.csv").write_text("text,id,text\na,1,b\n")
    assert failure("rows.csv") == "rows.csv, line 1: two columns are called 'text': give one of them another name"
    Path("rows.csv").write_text("text,,\na,1,b\n")
    assert [document.text for document in read("rows.csv")] == ["a"]

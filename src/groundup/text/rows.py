"""Files of rows, each with a text among its columns: JSON lines, JSON lists, CSV, TSV, Parquet, Arrow."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from groundup.errors import DataError, MissingExtraError
from groundup.text.bad_input import BadInput
from groundup.text.compression import opened
from groundup.text.decode import decode_text, lines

LONGEST_ROW = 256 * 2**20
"""Bytes; a longer line is no row, and would not fit into memory with its copies."""

Row = tuple[str, Mapping[str, Any]]
"""Where a row stands (`line 3`), and its columns."""


def json_lines(path: Path, bad: BadInput) -> Iterator[Row]:
    """One JSON object a line; blank lines are passed over."""
    with opened(path) as file:
        yield from json_lines_of(file, str(path), bad)


def json_lines_of(file: BinaryIO, name: str, bad: BadInput) -> Iterator[Row]:
    """One JSON object a line of an open file."""
    for number, line in lines(file, LONGEST_ROW):
        place = f"line {number:,}"
        if line is None:
            bad(f"{name}, {place} is longer than {LONGEST_ROW // 2**20} MB", "line too long")
        elif line.strip():
            try:
                row = _parse(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            except ValueError as error:
                bad(f"{name}, {place} is not valid JSON ({error}): {_excerpt(line)}", "not JSON")
                continue
            if isinstance(row, dict):
                yield place, row
            else:
                bad(f"{name}, {place} is not a JSON object with a text in it: {_excerpt(line)}", "not an object")


def json_list(path: Path, bad: BadInput) -> Iterator[Row]:
    """A JSON list of objects."""
    with opened(path) as file:
        content = file.read(LONGEST_ROW + 1)
    if len(content) > LONGEST_ROW:
        bad(
            f"{path} is a JSON list of more than {LONGEST_ROW // 2**20} MB: write one object a line (.jsonl)",
            "too long",
        )
        return
    try:
        rows = _parse(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        bad(f"{path} is not valid JSON ({error}); if it has one object a line, call it .jsonl", "not JSON")
        return
    if not isinstance(rows, list):
        bad(f"{path} is not a JSON list of objects", "not a list")
        return
    for index, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield f"item {index:,}", row
        else:
            bad(f"{path}, item {index:,} is not a JSON object with a text in it", "not an object")


def comma_separated(path: Path, bad: BadInput, delimiter: str = ",") -> Iterator[Row]:
    """Columns named by the first line."""
    csv.field_size_limit(LONGEST_ROW)
    with opened(path) as file:
        table = csv.reader(_decoded_lines(file, str(path), bad), delimiter=delimiter, strict=True)
        columns: list[str] | None = None
        while True:
            try:
                row = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                bad(f"{path}, line {table.line_num:,}: this is not a table's row ({error})", "not a row")
                continue
            if columns is None:
                columns = row
            elif len(row) == len(columns):
                yield f"line {table.line_num:,}", dict(zip(columns, row, strict=True))
            elif row:
                bad(
                    f"{path}, line {table.line_num:,} has {len(row)} columns where the first line has {len(columns)}",
                    "wrong number of columns",
                )


def tab_separated(path: Path, bad: BadInput) -> Iterator[Row]:
    """As `comma_separated`, with tabs."""
    return comma_separated(path, bad, delimiter="\t")


def parquet(path: Path, bad: BadInput) -> Iterator[Row]:
    """A Parquet file, a batch of rows in memory at a time."""
    _require_pyarrow(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield from _arrow_rows(file.iter_batches(batch_size=1000))
    except (pa.ArrowException, OSError) as error:
        bad(f"{path} is not a whole Parquet file ({_one_line(error)}): fetch or copy it again", "damaged")


def arrow(path: Path, bad: BadInput) -> Iterator[Row]:
    """An Arrow stream or file, as Hugging Face datasets saves them."""
    _require_pyarrow(path)
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        with pa.memory_map(str(path)) as source:
            try:
                yield from pa.ipc.open_stream(source)
                return
            except pa.ArrowInvalid:
                source.seek(0)
            file = pa.ipc.open_file(source)
            for index in range(file.num_record_batches):
                yield file.get_batch(index)

    try:
        yield from _arrow_rows(batches())
    except (pa.ArrowException, OSError) as error:
        bad(f"{path} is not a whole Arrow file ({_one_line(error)}): fetch or copy it again", "damaged")


ROW_READERS: dict[str, Callable[[Path, BadInput], Iterator[Row]]] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".json": json_list,
    ".csv": comma_separated,
    ".tsv": tab_separated,
    ".parquet": parquet,
    ".arrow": arrow,
}


def _parse(content: bytes) -> Any:
    try:
        value = json.loads(content)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _decoded_lines(file: BinaryIO, name: str, bad: BadInput) -> Iterator[str]:
    byte = 0
    for number, line in enumerate(file, start=1):
        text = ""
        try:
            text, _ = decode_text(line, name, byte, number)
        except DataError as error:
            bad(str(error), "not UTF-8")
        byte += len(line)
        yield text


def _arrow_rows(batches: Iterable[Any]) -> Iterator[Row]:
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            yield f"row {number:,}", row


def _require_pyarrow(path: Path) -> None:
    with contextlib.suppress(ImportError):
        import pyarrow  # noqa: F401

        return
    raise MissingExtraError(f"reading {path.name}", "data")


def _excerpt(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "replace")) + ("…" if len(line) > 60 else "")


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
